/**
 * A module of Node, when it is needed. The name is a variable to bundlers, so that a bundle for browsers does not look for it.
 */
export function node(name: 'fs/promises'): Promise<typeof import('node:fs/promises')>
export function node(name: 'fs'): Promise<typeof import('node:fs')>
export function node(name: 'crypto'): Promise<typeof import('node:crypto')>
export function node(name: 'path'): Promise<typeof import('node:path')>
export function node(name: 'net'): Promise<typeof import('node:net')>
export function node(name: 'tls'): Promise<typeof import('node:tls')>
export function node(name: 'http'): Promise<typeof import('node:http')>
export function node(name: 'https'): Promise<typeof import('node:https')>
export function node(name: 'zlib'): Promise<typeof import('node:zlib')>
export function node(name: 'url'): Promise<typeof import('node:url')>
export function node(name: 'crypto'): Promise<typeof import('node:crypto')>
export function node(name: 'os'): Promise<typeof import('node:os')>
export function node(name: 'child_process'): Promise<typeof import('node:child_process')>
export function node(name: 'async_hooks'): Promise<typeof import('node:async_hooks')>
export function node(name: string): Promise<unknown> {
  const specifier = `node:${name}`
  return import(specifier)
}

interface Builtins {
  events: typeof import('node:events')
  async_hooks: typeof import('node:async_hooks')
}

/** A module of Node at once, where the platform hands them out like that: Node from 20.16 on, Bun, Deno. */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => Builtins[Name] | undefined } }
  return process?.getBuiltinModule?.(`node:${name}`)
}

/** A package that needs Node, hidden from bundlers in the same way. */
export function packageOfNode(name: 'tinyglobby'): Promise<typeof import('tinyglobby')>
export function packageOfNode(name: '@resvg/resvg-js'): Promise<typeof import('@resvg/resvg-js')>
export function packageOfNode(name: 'ws'): Promise<typeof import('ws')>
export function packageOfNode(name: string): Promise<unknown> {
  return import(name)
}
