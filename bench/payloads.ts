import { DocumentArray } from '../lib/index.js'
import { emptyMessage } from '../lib/wire/message.js'
import { encodeMessage } from '../lib/wire/proto/index.js'

/** One request, as it goes over each wire. */
export interface Payload {
  readonly name: string
  readonly documents: number
  /** Two forms of the same documents. */
  readonly bytes: Uint8Array
  /** The bytes without an id of the request: who gets them gives each another. */
  readonly unnamed: Uint8Array
  readonly json: string
}

const TEXT = 'All the documents of a batch are about as long as this, which is what a gloss or a title is. '.padEnd(100, 'x')

export function small(i: number): object {
  return { id: i.toString(16).padStart(32, '0123456789abcdef'), text: TEXT, tags: { lang: 'en', number: i + 0.5, title: `number ${i}` } }
}

function embedded(i: number): object {
  const { id } = small(i) as { id: string }
  return { id, embedding: Float32Array.from({ length: 768 }, (_, at) => Math.sin(i * 768 + at)) }
}

function payload(name: string, documents: readonly object[]): Payload {
  const docs = DocumentArray.from(documents as any)
  return {
    name,
    documents: docs.length,
    bytes: encodeMessage(emptyMessage({ requestId: '0123456789abcdef0123456789abcdef', execEndpoint: '/index', docs })),
    unnamed: encodeMessage(emptyMessage({ execEndpoint: '/index', docs })),
    json: JSON.stringify({ execEndpoint: '/index', data: docs }),
  }
}

const many = (make: (i: number) => object): object[] => Array.from({ length: 100 }, (_, i) => make(i))

export const ONE = payload('1 document', [small(0)])
export const HUNDRED = payload('100 small documents', many(small))
export const EMBEDDED = payload('100 documents with 768 float32', many(embedded))
