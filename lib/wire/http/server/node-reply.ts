import type { ServerResponse } from 'node:http'
import type { Transform } from 'node:stream'
import type { Scope } from '../../../stream/scope.js'
import { codingOf } from '../media.js'
import type { Headers, Reply, Sink } from './exchange.js'
import { PACK_FROM } from './fetch.js'

type Zlib = typeof import('node:zlib')
export type Coding = 'br' | 'gzip' | 'deflate'

/** Brotli's own default takes a hundred times longer for a tenth less. */
const QUALITY = 4

/** Says 100 Continue, if that was not said already: Node says it unasked where nobody listens for `checkContinue`. */
export function welcome(res: ServerResponse): void {
  if (!(res as { _sent100?: boolean })._sent100 && !res.headersSent) res.writeContinue()
}

/** Writes an answer in one piece, packed if that is worth its while. @param wrote told when it is written */
export function write(res: ServerResponse, reply: Reply, accept: string | undefined, head: boolean, compression: boolean, zlib: Zlib, wrote: () => void): void {
  const { status, headers, body } = reply
  if (status === 204) {
    res.writeHead(status, headers).end()
    return
  }
  const length = Buffer.byteLength(body)
  if (length >= PACK_FROM && compression) {
    headers.vary = vary(headers)
    const coding = codingOf(accept, ['br', 'gzip', 'deflate'])
    if (coding !== undefined && !head) return pack(res, reply, coding, zlib, wrote)
  }
  headers['content-length'] = String(length)
  res.writeHead(status, headers)
  if (head) res.end()
  else res.end(body)
  wrote()
}

function pack(res: ServerResponse, { status, headers, body }: Reply, coding: Coding, zlib: Zlib, wrote: () => void): void {
  const done = (error: Error | null, packed: Uint8Array): void => {
    if (error !== null) {
      res.destroy(error)
      return
    }
    headers['content-encoding'] = coding
    headers['content-length'] = String(packed.length)
    res.writeHead(status, headers)
    res.end(packed)
    wrote()
  }
  if (coding === 'br') zlib.brotliCompress(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: QUALITY } }, done)
  else if (coding === 'gzip') zlib.gzip(body, done)
  else zlib.deflate(body, done)
}

function vary({ vary }: Headers): string {
  return vary === undefined ? 'accept-encoding' : `${vary}, accept-encoding`
}

/** Begins an answer piece by piece. Packed or not, each piece is on its way before the next is welcome. */
export function openSink(
  res: ServerResponse,
  zlib: Zlib,
  status: number,
  headers: Headers,
  coding: Coding | undefined,
  scope: Scope,
  wrote: () => void,
): { sink: Sink; finish: () => void } {
  res.writeHead(status, Object.assign({}, headers, { vary: vary(headers) }, coding === undefined ? undefined : { 'content-encoding': coding }))
  const drained = (): void | Promise<void> => {
    if (scope.aborted) throw scope.reason
    if (!res.writableNeedDrain) return
    wrote()
    return new Promise((resolve, reject) => {
      const go = (): void => {
        release()
        resolve()
      }
      const release = scope.watch((reason) => {
        res.off('drain', go)
        reject(reason)
      })
      res.once('drain', go)
    })
  }
  if (coding === undefined) {
    const write = (text: string | Uint8Array): void | Promise<void> => {
      if (scope.aborted) throw scope.reason
      res.write(text)
      return drained()
    }
    return { sink: { write }, finish: () => res.end() }
  }
  const { packer, flush } = packerOf(coding, zlib)
  packer.on('data', (chunk) => res.write(chunk))
  packer.on('end', () => res.end())
  packer.on('error', (error) => res.destroy(error))
  const write = async (text: string | Uint8Array): Promise<void> => {
    if (scope.aborted) throw scope.reason
    packer.write(text)
    await new Promise<void>((resolve) => packer.flush(flush, resolve))
    await drained()
  }
  scope.watch(() => packer.destroy())
  return { sink: { write }, finish: () => packer.end() }
}

/** What packs, and how a piece is pushed out of it so that the next is packed by what both have in common: by default, zlib would forget the last. */
function packerOf(coding: Coding, zlib: Zlib): { packer: Transform & { flush(kind: number, done: () => void): void }; flush: number } {
  const { constants } = zlib
  if (coding === 'br') {
    const packer = zlib.createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } })
    return { packer, flush: constants.BROTLI_OPERATION_FLUSH }
  }
  return { packer: coding === 'gzip' ? zlib.createGzip() : zlib.createDeflate(), flush: constants.Z_SYNC_FLUSH }
}
