import { optionRange } from '../base/errors.js'
import type { Protocol } from './address.js'

/** How documents are written in protobuf: as docarray 0.x does it (`'v1'`), or as docarray 0.30 and later (`'v2'`). Their bytes do not tell. */
export type Docarray = 'v1' | 'v2'

/** @throws OptionRangeError for what is neither; and for `'v2'` where no gRPC is spoken, as only it has both */
export function checkDocarray(value: unknown, protocols: readonly Protocol[] = ['grpc']): void {
  if (value === undefined || value === 'v1') return
  if (value !== 'v2') throw optionRange('docarray', "'v1' or 'v2'", value)
  if (!protocols.includes('grpc')) throw optionRange('docarray', `'v1' without gRPC: ${protocols.join(' and ')} carry documents as JSON`, value)
}
