import type * as host from './node.js'

/**
 * The door to Node for pages, which have none: names are variables, so that no bundler looks for what is behind them. Whoever runs such a
 * bundle in Node after all gets in.
 */
export const node: typeof host.node = (name) => importHere(`node:${name}`) as never

export const builtin: typeof host.builtin = (name) => {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => any } }
  return process?.getBuiltinModule?.(`node:${name}`)
}

export const packageOfNode: typeof host.packageOfNode = (name) => importHere(name) as never

export const importHere: typeof host.importHere = (specifier) => import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)
