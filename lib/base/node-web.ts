import type * as host from './node.js'

export const importHere: typeof host.importHere = (specifier) => import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)

/**
 * The door to Node for pages, which have none: names are variables, so that no bundler looks for what is behind them. Whoever runs such a
 * bundle in Node after all gets in.
 */
export const node: typeof host.node = (name) => importHere(`node:${name}`) as never

export const builtin: typeof host.builtin = (name) =>
  (globalThis as { process?: { getBuiltinModule?: (name: string) => any } }).process?.getBuiltinModule?.(`node:${name}`)

export const packageOfNode = importHere as typeof host.packageOfNode

/** A page has no room for what to say of options that are misspelled: all that there are are named. Nor for methods. */
export const misspelled: typeof host.misspelled = () => undefined
export const likeMethod: typeof host.likeMethod = () => ''
