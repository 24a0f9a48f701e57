import * as grpc from '../../lib/wire/grpc/index.js'
import * as http from '../../lib/wire/http/index.js'
import * as websocket from '../../lib/wire/websocket/index.js'
import type { Wire } from '../../lib/wire/wire.js'
import { asJson, type Picture, rich, tensors } from './documents.js'
import type { Protocol } from './process.js'

/** Both ends of ours. */
export const wires: Readonly<Record<Protocol, Wire>> = { grpc, http, websocket }
export const protocols = Object.keys(wires) as Protocol[]

/** Documents that a protocol can carry: JSON has no integers of 64 bits. */
export function carriedBy(protocol: Protocol): readonly Picture[] {
  return [...rich, ...tensors.filter(({ tensor }) => protocol !== 'http' || !/[iu]8/.test(tensor.dtype))]
}

/** What a protocol leaves of documents. */
export function asCarriedBy(protocol: Protocol): (pictures: readonly Picture[]) => readonly Picture[] {
  return protocol === 'http' ? asJson : (pictures) => pictures
}
