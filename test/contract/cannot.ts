import type { Cannot } from './contract.js'

/** An empty cell, with its reason. */
export const cannot = (because: string): Cannot => ({ because })
