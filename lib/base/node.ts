interface Modules {
  'fs/promises': typeof import('node:fs/promises')
  fs: typeof import('node:fs')
  crypto: typeof import('node:crypto')
  path: typeof import('node:path')
  net: typeof import('node:net')
  dgram: typeof import('node:dgram')
  worker_threads: typeof import('node:worker_threads')
  tls: typeof import('node:tls')
  http: typeof import('node:http')
  https: typeof import('node:https')
  zlib: typeof import('node:zlib')
  url: typeof import('node:url')
  os: typeof import('node:os')
  child_process: typeof import('node:child_process')
  async_hooks: typeof import('node:async_hooks')
}

/**
 * What comes from Node when it is needed: the only door to it. Each name is written out, so that whoever bundles a server finds them all.
 * For browsers, `host-web.ts` stands here: see `imports` in package.json.
 */
const modules: { readonly [Name in keyof Modules]: () => Promise<Modules[Name]> } = {
  'fs/promises': () => import('node:fs/promises'),
  fs: () => import('node:fs'),
  crypto: () => import('node:crypto'),
  path: () => import('node:path'),
  net: () => import('node:net'),
  dgram: () => import('node:dgram'),
  worker_threads: () => import('node:worker_threads'),
  tls: () => import('node:tls'),
  http: () => import('node:http'),
  https: () => import('node:https'),
  zlib: () => import('node:zlib'),
  url: () => import('node:url'),
  os: () => import('node:os'),
  child_process: () => import('node:child_process'),
  async_hooks: () => import('node:async_hooks'),
}

/** A module of Node. */
export function node<Name extends keyof Modules>(name: Name): Promise<Modules[Name]> {
  return modules[name]()
}

interface Builtins {
  events: typeof import('node:events')
  async_hooks: typeof import('node:async_hooks')
  diagnostics_channel: typeof import('node:diagnostics_channel')
  tls: typeof import('node:tls')
}

/** A module of Node at once, where the platform hands them out like that: Node from 20.16 on, Bun, Deno. */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => Builtins[Name] | undefined } }
  return process?.getBuiltinModule?.(`node:${name}`)
}

interface Packages {
  ws: typeof import('ws')
  tinyglobby: typeof import('tinyglobby')
  '@resvg/resvg-js': typeof import('@resvg/resvg-js')
}

const packages: { readonly [Name in keyof Packages]: () => Promise<Packages[Name]> } = {
  ws: () => import('ws'),
  tinyglobby: () => import('tinyglobby'),
  // It may not be there, which must not keep a bundle from being made.
  '@resvg/resvg-js': () => importHere('@resvg/resvg-js') as Promise<Packages['@resvg/resvg-js']>,
}

/** A package that needs Node. */
export function packageOfNode<Name extends keyof Packages>(name: Name): Promise<Packages[Name]> {
  return packages[name]()
}

/** What is only known when it is imported, by the platform itself. */
export function importHere(specifier: string): Promise<object> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)
}
