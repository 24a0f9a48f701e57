/** sluice: documents stream through a graph of Executors, with a bounded number in flight. */

export type { Retries } from './base/check.js'
export {
  CallbackError,
  CloseError,
  type Coded,
  ConfigError,
  ConnectionError,
  DependencyError,
  DocumentError,
  ExecutorError,
  FlowBuildError,
  FlowStateError,
  InputError,
  OptionRangeError,
  OptionTypeError,
  ParseError,
  SluiceError,
} from './base/errors.js'
export type { Logger, LogRecord } from './base/logger.js'
export type { LoadConfigOptions } from './config/reading.js'
export type { SaveConfigOptions } from './config/save.js'
export { DocumentArray } from './doc/array.js'
export { Document, type DocumentInit, type DocumentLike, type NamedScore, type Tags } from './doc/document.js'
export { type FromCsvOptions, fromCsv } from './doc/from/csv.js'
export { type FromFilesOptions, fromFiles } from './doc/from/files.js'
export { fromLines } from './doc/from/lines.js'
export { type FromNdarrayOptions, fromNdarray, type Rows } from './doc/from/ndarray.js'
export { fromNdjson } from './doc/from/ndjson.js'
export type { FromOptions } from './doc/from/options.js'
export type { TextSource } from './doc/from/source.js'
export type { Change, DocumentDelta } from './doc/growth.js'
export type { NdArray, NdArrayInit, NestedList, TypedArray } from './doc/ndarray.js'
export type { Format, LoadOptions, SaveOptions, SaveTarget } from './doc/save-options.js'
export type { Direction, PlotOptions, Theme } from './draw/index.js'
export { requests } from './executor/bindings.js'
export { type Delta, delta } from './executor/delta.js'
export { type EachAnswer, type EachCall, type EachOptions, each, type Rate } from './executor/each.js'
export { type Answer, type Call, Executor, type ExecutorFunction, type ExecutorInit, type Metas } from './executor/executor.js'
export type { CallOf, MapOf } from './executor/schema-types.js'
export type { ByEndpoint, InputSchemas, OutputSchemas } from './executor/schemas.js'
export type { Autoscale, ComposeOptions, ExportOptions, GatewayExport, KubernetesOptions } from './export/options.js'
export type { FlowDetails, FlowTypes, Said } from './flow/endpoint-types.js'
export { AsyncFlow, Flow, type Mapped } from './flow/flow.js'
export type { AddOptions, ExecutorClass, ExecutorConfig, FlowOptions, Needs, Plan, Uses } from './flow/options.js'
export type { Join } from './graph/graph.js'
export type { DynamicBatching } from './handler/batch-queue.js'
export type { CacheOptions, StoreOptions } from './handler/cache-options.js'
export type { Polling, PollingOption } from './handler/polling.js'
export type { SchemaError } from './handler/validation.js'
export type { Condition, Query } from './handler/when-query.js'
export type { WorkerStatus } from './place/options.js'
export type { CheckpointError } from './post/checkpoint-file.js'
export type { Documents, Inputs } from './post/inputs.js'
export { DEFAULT_PREFETCH, DEFAULT_REQUEST_SIZE, type MapOptions, type PostOptions } from './post/options.js'
export type { Post } from './post/post.js'
export type { Failure } from './request/failure.js'
export type {
  Handler,
  /** @deprecated Its name is Handler. */
  Handler as Peer,
} from './request/handler.js'
export type { Identity } from './request/identity.js'
export type { Parameters } from './request/parameters.js'
export type { ContextHeaders, Request } from './request/request.js'
export type { Response } from './request/response.js'
export type { Route } from './request/route.js'
export type { Status } from './request/status.js'
