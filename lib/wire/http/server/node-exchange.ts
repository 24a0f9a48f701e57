import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConnectionError } from '../../../base/errors.js'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import type { Deadlines } from '../../../stream/deadlines.js'
import { Scope } from '../../../stream/scope.js'
import { NodeCaller } from '../../caller.js'
import { JSON_WEIGHT } from '../../charge.js'
import { collect, decode, join, packing } from '../body.js'
import { codingOf } from '../media.js'
import { HttpRefusal, malformed, tooLarge, unsupported } from '../refusal.js'
import type { Exchange, Headers, Sink } from './exchange.js'
import { openSink, welcome } from './node-reply.js'
import { Owed } from './owed.js'

type Zlib = typeof import('node:zlib')

/** What of Node and of the server an exchange needs. */
export interface Around {
  readonly zlib: Zlib
  readonly deadlines: Deadlines
  readonly compression: boolean
  /** What bodies and answers are charged to. */
  readonly bytes: ByteBudget | undefined
}

const late = (): HttpRefusal => new HttpRefusal('late', 'The body did not come in time', { connection: 'close' }, 408)
const cut = (): HttpRefusal => malformed('The body ended early')

/** A request of Node's own server. */
export class NodeExchange implements Exchange {
  readonly method: string
  readonly target: string
  readonly scope = new Scope()
  readonly caller: NodeCaller
  /** Ends an answer that came piece by piece. */
  finish: (() => void) | undefined
  tenant: string | undefined
  readonly #owed: Owed | undefined
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #around: Around

  constructor(req: IncomingMessage, res: ServerResponse, around: Around) {
    this.#req = req
    this.#res = res
    this.#around = around
    if (around.bytes !== undefined) this.#owed = new Owed(res, around.bytes)
    this.caller = new NodeCaller(req, 'http')
    this.method = req.method!
    this.target = req.url!
    res.on('close', () => {
      if (!res.writableFinished) this.scope.abort(new ConnectionError('ERR_DISCONNECTED', 'http', 'the client left'))
    })
  }

  header(name: string): string | undefined {
    const value = this.#req.headers[name]
    return typeof value === 'string' ? value : value?.[0]
  }

  async text(limit: number, hold?: Hold): Promise<string> {
    const packed = packing(this.header('content-encoding'))
    const length = packed === undefined ? Number(this.#req.headers['content-length']) : Number.NaN
    if (length > limit) throw tooLarge(limit)
    if (hold === undefined) return this.#read(packed, limit)
    if (length >= 0) {
      const room = hold.ask(this.scope, length * JSON_WEIGHT)
      if (room !== undefined) await room
      return this.#read(packed, limit, hold, true)
    }
    const room = hold.begin(this.scope)
    if (room !== undefined) await room
    return this.#read(packed, limit, hold)
  }

  /** @param paid whether all of it is charged */
  #read(packed: string | undefined, limit: number, hold?: Hold, paid = false): Promise<string> {
    if (packed !== undefined) return collect(this.chunks(), limit, hold && ((bytes) => this.#charge(hold, bytes))).then(decode)
    this.#welcome()
    return this.#plain(limit, hold, paid)
  }

  #charge(hold: Hold, bytes: number): void {
    if (!hold.more(bytes * JSON_WEIGHT)) throw this.#around.bytes!.refused()
  }

  /** Something was written. */
  readonly wrote = (): void => this.#owed?.note(this.tenant)

  /** Asks for the body, of a client that waits for that (`Expect: 100-continue`). */
  #welcome(): void {
    if (this.#req.headers.expect !== undefined) welcome(this.#res)
  }

  /** By hand: an async iterator around each small body would cost as much as parsing it. */
  #plain(limit: number, hold: Hold | undefined, paid: boolean): Promise<string> {
    const req = this.#req
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = []
      let size = 0
      let over = false
      // Listeners are left where they are: taking each away again costs more than the promise.
      const settle = (): boolean => {
        if (over) return false
        over = true
        this.#around.deadlines.clear(deadline)
        hold?.unwatch()
        return true
      }
      const stop = (reason: () => unknown): void => {
        if (!settle()) return
        req.pause()
        reject(reason())
      }
      const deadline = this.#around.deadlines.set(() => stop(late))
      hold?.watch(() => stop(this.#around.bytes!.busy))
      req.on('data', (chunk: Uint8Array) => {
        if (over) return
        size += chunk.length
        chunks.push(chunk)
        if (size > limit) stop(() => tooLarge(limit))
        else if (hold !== undefined && !paid && !hold.more(chunk.length * JSON_WEIGHT)) stop(this.#around.bytes!.refused)
      })
      req.on('end', () => {
        if (!settle()) return
        try {
          resolve(decode(join(chunks, size)))
        } catch (error) {
          reject(error)
        }
      })
      req.on('close', () => stop(cut))
    })
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { zlib } = this.#around
    const kind = packing(this.header('content-encoding'))
    if (kind === 'unknown') throw unsupported('Send the body as it is, or packed with gzip, deflate or br')
    const req = this.#req
    this.#welcome()
    let source: AsyncIterator<Uint8Array>
    if (kind === undefined) source = req.iterator({ destroyOnReturn: false })
    else {
      const unpack = kind === 'gzip' ? zlib.createGunzip() : kind === 'br' ? zlib.createBrotliDecompress() : zlib.createInflate()
      req.once('close', () => {
        if (!req.complete) unpack.destroy(cut())
      })
      source = req.pipe(unpack)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
    }
    try {
      for (;;) {
        const step = await this.#inTime(source.next())
        if (step.done) return
        yield step.value
      }
    } catch (error) {
      if (error instanceof HttpRefusal) throw error
      throw kind === undefined || !req.complete ? cut() : malformed(`The body is not ${kind}`)
    } finally {
      if (kind !== undefined) req.unpipe()
      req.pause()
      source.return?.().catch(() => {})
    }
  }

  #inTime<V>(next: Promise<V>): Promise<V> {
    return new Promise((resolve, reject) => {
      const { deadlines } = this.#around
      const deadline = deadlines.set(() => reject(late()))
      next.then(resolve, reject).finally(() => deadlines.clear(deadline))
    })
  }

  open(status: number, headers: Headers, packs = true): Sink {
    const { zlib, compression } = this.#around
    const coding = compression && packs ? codingOf(this.header('accept-encoding'), ['br', 'gzip', 'deflate']) : undefined
    // Chunks would be made for each anew, and are half of what a small piece costs.
    if (!packs) this.#res.removeHeader('transfer-encoding')
    const all = packs ? headers : { ...headers, connection: 'close' }
    const { sink, finish } = openSink(this.#res, zlib, status, all, coding, this.scope, this.wrote)
    this.finish = finish
    return sink
  }
}
