import * as grpc from '../../lib/wire/grpc/client/connect.js'
import * as http from '../../lib/wire/http/client/connect.js'
import * as websocket from '../../lib/wire/websocket/client/connect.js'
import { serveGrpc, serveHttp, serveWebSocket } from '../support/serving.js'
import { asJson, type Picture, rich, tensors } from './documents.js'
import type { Protocol } from './process.js'

/** Both ends of ours. */
export const wires = {
  grpc: { ...grpc, serve: serveGrpc },
  http: { ...http, serve: serveHttp },
  websocket: { ...websocket, serve: serveWebSocket },
} as const
export const protocols = Object.keys(wires) as Protocol[]

/** Documents that a protocol can carry: JSON has no integers of 64 bits. */
export function carriedBy(protocol: Protocol): readonly Picture[] {
  return [...rich, ...tensors.filter(({ tensor }) => protocol !== 'http' || !/[iu]8/.test(tensor.dtype))]
}

/** What a protocol leaves of documents. */
export function asCarriedBy(protocol: Protocol): (pictures: readonly Picture[]) => readonly Picture[] {
  return protocol === 'http' ? asJson : (pictures) => pictures
}
