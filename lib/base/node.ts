export { likeMethod, misspelled } from './advice.js'

interface Modules {
  'fs/promises': typeof import('node:fs/promises')
  fs: typeof import('node:fs')
  crypto: typeof import('node:crypto')
  path: typeof import('node:path')
  net: typeof import('node:net')
  dns: typeof import('node:dns')
  dgram: typeof import('node:dgram')
  worker_threads: typeof import('node:worker_threads')
  tls: typeof import('node:tls')
  http: typeof import('node:http')
  https: typeof import('node:https')
  v8: typeof import('node:v8')
  zlib: typeof import('node:zlib')
  url: typeof import('node:url')
  os: typeof import('node:os')
  child_process: typeof import('node:child_process')
  async_hooks: typeof import('node:async_hooks')
  diagnostics_channel: typeof import('node:diagnostics_channel')
  module: Pick<typeof import('node:module'), 'createRequire'>
}

/**
 * What comes from Node when it is needed: the only door to it. Each name is written out, so that whoever bundles a server finds them all.
 * For browsers, `node-web.ts` stands here: see `imports` in package.json.
 */
const modules: { readonly [Name in keyof Modules]: () => Promise<Modules[Name]> } = {
  'fs/promises': () => import('node:fs/promises'),
  fs: () => import('node:fs'),
  crypto: () => import('node:crypto'),
  path: () => import('node:path'),
  net: () => import('node:net'),
  dns: () => import('node:dns'),
  dgram: () => import('node:dgram'),
  worker_threads: () => import('node:worker_threads'),
  tls: () => import('node:tls'),
  http: () => import('node:http'),
  https: () => import('node:https'),
  v8: () => import('node:v8'),
  zlib: () => import('node:zlib'),
  url: () => import('node:url'),
  os: () => import('node:os'),
  child_process: () => import('node:child_process'),
  async_hooks: () => import('node:async_hooks'),
  diagnostics_channel: () => import('node:diagnostics_channel'),
  module: () => import('node:module'),
}

/** Those that were asked for: with a loader in the process, such as tsx, each `import()` asks a thread, also for what is there. */
const loaded: Partial<Record<keyof Modules, Promise<any>>> = {}

/** A module of Node. */
export function node<Name extends keyof Modules>(name: Name): Promise<Modules[Name]> {
  loaded[name] ??= modules[name]()
  return loaded[name]
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
  lmdb: typeof import('lmdb')
  '@opentelemetry/api': typeof import('@opentelemetry/api')
  '@opentelemetry/sdk-trace-base': typeof import('@opentelemetry/sdk-trace-base')
  '@opentelemetry/sdk-metrics': typeof import('@opentelemetry/sdk-metrics')
  '@opentelemetry/resources': typeof import('@opentelemetry/resources')
  '@opentelemetry/exporter-trace-otlp-grpc': typeof import('@opentelemetry/exporter-trace-otlp-grpc')
  '@opentelemetry/exporter-metrics-otlp-grpc': typeof import('@opentelemetry/exporter-metrics-otlp-grpc')
  '@nats-io/transport-node': typeof import('@nats-io/transport-node')
  '@nats-io/jetstream': typeof import('@nats-io/jetstream')
  '@modelcontextprotocol/server': typeof import('@modelcontextprotocol/server')
}

const packages: { readonly [Name in keyof Packages]: () => Promise<Packages[Name]> } = {
  ws: () => ('Bun' in globalThis ? webSockets() : import('ws')),
  tinyglobby: () => import('tinyglobby'),
  // They may not be there, which must not keep a bundle from being made.
  '@resvg/resvg-js': () => importHere('@resvg/resvg-js') as Promise<Packages['@resvg/resvg-js']>,
  lmdb: () => importHere('lmdb') as Promise<Packages['lmdb']>,
  '@opentelemetry/api': () => importHere('@opentelemetry/api') as Promise<Packages['@opentelemetry/api']>,
  '@opentelemetry/sdk-trace-base': () => importHere('@opentelemetry/sdk-trace-base') as Promise<Packages['@opentelemetry/sdk-trace-base']>,
  '@opentelemetry/sdk-metrics': () => importHere('@opentelemetry/sdk-metrics') as Promise<Packages['@opentelemetry/sdk-metrics']>,
  '@opentelemetry/resources': () => importHere('@opentelemetry/resources') as Promise<Packages['@opentelemetry/resources']>,
  '@opentelemetry/exporter-trace-otlp-grpc': () =>
    importHere('@opentelemetry/exporter-trace-otlp-grpc') as Promise<Packages['@opentelemetry/exporter-trace-otlp-grpc']>,
  '@opentelemetry/exporter-metrics-otlp-grpc': () =>
    importHere('@opentelemetry/exporter-metrics-otlp-grpc') as Promise<Packages['@opentelemetry/exporter-metrics-otlp-grpc']>,
  '@nats-io/transport-node': () => importHere('@nats-io/transport-node') as Promise<Packages['@nats-io/transport-node']>,
  '@nats-io/jetstream': () => importHere('@nats-io/jetstream') as Promise<Packages['@nats-io/jetstream']>,
  '@modelcontextprotocol/server': () => importHere('@modelcontextprotocol/server') as Promise<Packages['@modelcontextprotocol/server']>,
}

/** A package that needs Node. */
export function packageOfNode<Name extends keyof Packages>(name: Name): Promise<Packages[Name]> {
  return packages[name]()
}

/**
 * The package ws, as it is installed. By that name, Bun gives one of its own, which sends no pings, keeps answers to pings that nobody reads, refuses less of what
 * breaks the protocol, and knows nothing of bytes that are counted before they are read. Where all is one file, there is no other.
 */
async function webSockets(): Promise<Packages['ws']> {
  const { createRequire } = await node('module')
  let found: string
  try {
    found = createRequire(import.meta.url).resolve('ws/package.json')
  } catch {
    return import('ws')
  }
  return importHere(found.replace('package.json', 'wrapper.mjs')) as Promise<Packages['ws']>
}

/** What is only known when it is imported, by the platform itself. */
export function importHere(specifier: string): Promise<object> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)
}
