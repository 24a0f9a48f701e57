import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import type { Asked, Usage } from './served.js'

/** A server in a process of its own. */
export interface Child {
  readonly pid: number
  /** By wire: `{ http: 'http://127.0.0.1:1234' }`. */
  readonly addresses: Readonly<Record<string, string>>
  usage(): Promise<Usage>
  stop(): Promise<void>
}

let compiled: Promise<string> | undefined

/** Servers run as users run them: compiled, by plain Node, with sluice out of dist/. */
async function compile(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'served-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(resolve('.'), join(folder, 'node_modules/sluice'))
  for (const name of ['@grpc', '@opentelemetry', 'graphql-yoga', 'ws']) symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name))
  const outfile = join(folder, 'served.mjs')
  await build({
    entryPoints: ['bench/served.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    logLevel: 'warning',
  })
  return outfile
}

/** @param execArgv options of Node, such as `--cpu-prof` */
export async function serving(asked: Asked, execArgv: readonly string[] = []): Promise<Child> {
  compiled ??= compile()
  const child = fork(await compiled, [JSON.stringify(asked)], { execArgv: [...execArgv] })
  return {
    pid: child.pid!,
    addresses: (await said(child)) as Record<string, string>,
    usage() {
      child.send('usage')
      return said(child) as Promise<Usage>
    },
    async stop() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

function said(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`The server ended with ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}
