// An executor that does what suites ask of it, in whatever place it runs.
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { getHeapStatistics } from 'node:v8'
import { type Call, delta, Executor, type ExecutorInit } from '../../lib/index.js'

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

export class Doing extends Executor<{ crash?: string; hangs?: string; text?: string; tells?: string }> {
  static requests = {
    '/about': 'about',
    '/die': 'die',
    '/wait': 'wait',
    '/waited': 'waited',
    '/pieces': 'pieces',
    '/parted': 'parted',
    '/write': 'write',
    '/branches': 'branches',
    '/busy': 'busy',
    '/count': 'count',
    '/slow': 'slow',
    '/program': 'program',
    '/large': 'large',
    '/embed': 'embed',
    '/kept': 'kept',
  }
  #aborted: string[] = []
  #waiting = 0
  #made = 0

  constructor(init: ExecutorInit<Doing['config']>) {
    super(init)
    if (this.config.hangs === 'make') {
      this.#tell()
      for (;;);
    }
  }

  override async open() {
    const { hangs, crash } = this.config
    if (hangs === 'open' || (hangs === 'open again' && existsSync(crash!))) {
      this.#tell()
      await new Promise(() => {})
    }
    if (crash === undefined || !existsSync(crash)) return
    process.stderr.write(`${this.config.text}\n`)
    process.exit(3)
  }

  /** Which process it is in, in a file: before it has said anything to its Flow. */
  #tell() {
    if (this.config.tells !== undefined) writeFileSync(this.config.tells, `${process.pid}`)
  }

  override async close() {
    if (this.config.hangs === 'close') await new Promise(() => {})
    if (this.config.text !== undefined) process.stdout.write(`${this.config.text} ${this.shardId}\n`)
  }

  about({ docs, identity, headers, parameters }: Call) {
    for (const doc of docs)
      doc.tags = {
        pid: process.pid,
        shardId: this.shardId,
        env: this.env,
        processEnv: { X: process.env['X'], HOME: process.env['HOME'] !== undefined, SECRET: process.env['SECRET_OF_TEST'] },
        workspace: this.hasWorkspace ? existsSync(this.workspace) : false,
        config: this.config,
        metas: this.metas,
        heap: Math.round(getHeapStatistics().heap_size_limit / 2 ** 20),
        identity: identity ?? null,
        headers: headers ?? null,
        parameters,
        name: this.name,
      }
    return docs
  }

  async die({ docs: [doc] }: Call) {
    if (doc!.text === 'exit') process.exit(7)
    if (doc!.text === 'exit 0') process.exit(0)
    if (doc!.text === 'SIGKILL') process.kill(process.pid, 'SIGKILL')
    if (doc!.text === 'SIGSEGV') process.kill(process.pid, 'SIGSEGV')
    if (doc!.text === 'OOM') for (const all: unknown[] = []; ; ) all.push(new Array(1e5).fill(all.length + 0.5))
    if (doc!.text === 'hang up') for (const one of (process as any)._getActiveHandles()) if (one instanceof Socket && (one as any)._handle?.fd === 3) one.end()
    if (doc!.text === 'throw')
      setImmediate(() => {
        throw new TypeError('nobody catches this')
      })
    if (doc!.text === 'throw' || doc!.text === 'hang up') await later(60_000)
    if (doc!.text === 'spin') for (;;);
    // Its answer is on its way then.
    if (doc!.text === 'spin then')
      return void setTimeout(() => {
        for (;;);
      })
    if (doc!.text === 'SIGSTOP') process.kill(process.pid, 'SIGSTOP')
    if (doc!.text === 'exit late') {
      for (const end = performance.now() + 1200; performance.now() < end; );
      process.exit(7)
    }
    await later(20)
  }

  /** Begins a program that has the output of this one, and lives on. */
  program({ docs }: Call) {
    const { pid } = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'inherit' })
    docs[0]!.tags = { pid, [`pid${this.shardId}`]: pid }
  }

  async wait({ docs, signal }: Call) {
    this.#waiting++
    process.stdout.write('waiting\n')
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    this.#aborted.push(`${docs[0]!.text}: ${signal.reason?.message}`)
  }

  waited({ docs }: Call) {
    docs[0]!.tags.aborted = this.#aborted
    docs[0]!.tags.waiting = this.#waiting
    docs[0]!.tags.pid = process.pid
  }

  async *pieces({ docs: [doc], parameters: { count = 3 } }: Call) {
    for (let at = 0; at < count; at++) {
      this.#made++
      yield delta(doc!, { text: `${at} ` })
    }
  }

  large({ docs, parameters: { bytes } }: Call) {
    docs[0]!.blob = new Uint8Array(bytes)
  }

  readonly #vectors: Float32Array[] = []

  /** Each number is one more, and the vectors are kept. */
  embed({ docs }: Call) {
    for (const { embedding } of docs) {
      const data = embedding!.data as Float32Array
      for (let at = 0; at < data.length; at++) data[at]! += 1
      this.#vectors.push(data)
    }
  }

  /** What became of the vectors that it keeps. */
  kept({ docs }: Call) {
    docs[0]!.tags = {
      lengths: this.#vectors.map(({ length }) => length),
      firsts: this.#vectors.map((vector) => vector[0]),
      memory: this.#vectors[0]!.buffer.byteLength,
    }
  }

  count({ docs }: Call) {
    docs[0]!.tags.made = this.#made
  }

  async *parted({ docs: [doc] }: Call) {
    yield delta(doc!, { text: 'a' })
    await later(50)
    process.exit(1)
  }

  write({ parameters: { bytes } }: Call) {
    const line = `${'x'.repeat(99)}\n`
    for (let at = 0; at < bytes; at += line.length) process.stdout.write(line)
  }

  branches({ docs, docsMatrix, docsMap }: Call) {
    return { docs: docs.length, matrix: docsMatrix?.map(({ texts }) => texts), names: Object.keys(docsMap ?? {}), same: docsMatrix?.[0]?.[0] === docs[0] }
  }

  busy({ docs, parameters: { milliseconds = 5 } }: Call) {
    const from = Date.now()
    const until = performance.now() + milliseconds
    while (performance.now() < until);
    docs[0]!.tags = { from, to: Date.now() }
  }

  async slow({ parameters: { milliseconds = 50 } }: Call) {
    await later(milliseconds)
  }
}

/** A function that sees its executor. */
export function named(this: Executor, { docs }: Call) {
  for (const doc of docs) doc.text = `${this.name}/${this.shardId}`
}
