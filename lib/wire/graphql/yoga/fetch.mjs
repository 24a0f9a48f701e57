// What the build puts in the place of `@whatwg-node/fetch`: the same choice between the platform's classes and those that are made for
// Node's streams, but as an ES module, and without what serves nobody here. The original asks `require` for them when it runs.
import { URLPattern as Polyfill } from 'urlpattern-polyfill/urlpattern'
import * as streams from './streams.mjs'

const isNext = Object.keys(globalThis).some((key) => key.startsWith('__NEXT'))
const api = 'Bun' in globalThis || 'Deno' in globalThis || isNext ? globalThis : streams

export const {
  Blob,
  CompressionStream,
  DecompressionStream,
  File,
  FormData,
  Headers,
  ReadableStream,
  Request,
  Response,
  TextDecoder,
  TextDecoderStream,
  TextEncoder,
  TextEncoderStream,
  TransformStream,
  URL,
  URLSearchParams,
  WritableStream,
} = api
export const { btoa, crypto, fetch } = globalThis
export const URLPattern = globalThis.URLPattern ?? Polyfill
