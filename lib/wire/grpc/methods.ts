import { DELTAS_HEADER } from '../deltas.js'
import { LIVE } from '../said.js'

/** Where everything is, as Jina names it. */
export const METHODS = {
  call: '/jina.JinaRPC/Call',
  single: '/jina.JinaSingleDataRequestRPC/process_single_data',
  several: '/jina.JinaDataRequestRPC/process_data',
  document: '/jina.JinaSingleDocumentRequestRPC/stream_doc',
  endpoints: '/jina.JinaDiscoverEndpointsRPC/endpoint_discovery',
  dryRun: '/jina.JinaGatewayDryRunRPC/dry_run',
  info: '/jina.JinaInfoRPC/_status',
  check: '/grpc.health.v1.Health/Check',
  watch: '/grpc.health.v1.Health/Watch',
  reflection: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  reflectionAlpha: '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
} as const

/** `/jina.JinaRPC/Call` → `jina.JinaRPC` */
export function serviceOf(method: string): string {
  return method.slice(1, method.lastIndexOf('/'))
}

/** Those that answer requests: health checks know them by name. */
export const SERVICES: readonly string[] = [
  METHODS.call,
  METHODS.single,
  METHODS.several,
  METHODS.document,
  METHODS.endpoints,
  METHODS.dryRun,
  METHODS.info,
].map(serviceOf)

/** What clients may say with a call. */
export const METADATA = {
  /** The most requests that the server takes before it has answered. */
  prefetch: '__prefetch__',
  inOrder: '__results_in_order__',
  /** `1` asks for partial answers. */
  partial: 'sluice-partial',
  /** `1` asks for them as deltas, where they are. */
  deltas: DELTAS_HEADER,
  /** How many partial answers of a request the client takes ahead: it says in the stream how many it took. */
  window: 'sluice-window',
  /** `1` says that several posts share the stream, and that requests on it may be taken back; on the way back, that the server knows of that. */
  shared: 'sluice-shared',
  /** `1` says beside it that requests on it are large: while there is no room for one, those behind it wait. */
  large: 'sluice-large',
  /** On the way back: how many unanswered requests the server reads, 0 being any number. What the client says behind more than those is not heard. */
  ahead: 'sluice-ahead',
  /** `own` asks `_status` for what is told to who looks on, once a second or so; `1` for what executors elsewhere say, too. */
  live: LIVE,
  /** On the way back: an executor failed. */
  isError: 'is-error',
} as const

/** Messages pass grpc-js as they are: what they mean, our own codec knows. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
