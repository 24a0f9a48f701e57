import { now, onWall } from './clock.js'

export type Level = 'debug' | 'info' | 'warn' | 'error'

/** What is worth a line in a log. */
export interface LogRecord {
  /** `'error'`: something failed. `'warn'`: something may. `'debug'`: what happens all the time, such as requests that are refused. */
  readonly level: Level
  /** Milliseconds since the epoch. */
  readonly time: number
  /**
   * What happened: `'executor.failed'` (an answer that cannot be written, too), `'document.failed'` (the others of its request went on), `'request.late'` and
   * `'request.refused'` (of a served Flow), `'request.answered'` (each, where it is asked for: `logRequests()` of sluice/telemetry), `'background.failed'` (no response can tell it), `'server.failed'` (of the server itself), `'request.retried'` (by a Client),
   * `'tls.refused'` (a client's certificate is missing or not trusted; told once in ten seconds), `'tls.failed'` (what a client's files of keys and certificates hold since they were
   * renewed does not belong together), `'endpoint.unknown'` (an option names an endpoint that
   * looks misspelled, as a Flow opens, or somebody posts to one that no executor answers, with `unknownEndpoint: 'warn'`), `'target.unknown'` (the `targetExecutor` of a request means no executor
   * that answers it), `'post.unread'` (nobody read what a post, a `map()` or a subscription gives, so it did nothing: as the Flow or Client closes), `'executor.came'` and `'executor.left'` (of a daemon). What begins and ends has a record each, and no more of them however often it happens: `'overload.began'`, `'overload.ended'`, and the others
   * of docs/operations.md. More may come.
   */
  readonly event: string
  readonly requestId?: string | undefined
  readonly executor?: string | undefined
  readonly documentId?: string | undefined
  readonly endpoint?: string | undefined
  /** Of the trace that the request is part of, where there is one. */
  readonly traceId?: string | undefined
  /** What else there is to say, by name: numbers and short texts, none of them from clients. `omitted` is how many of the kind were left out before this one. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined
  /** What was thrown, with its `cause` and stacks. It may say what clients must not know. */
  readonly error?: unknown
}

/** Where records go. What it throws is dropped: a log that fails must not change what happens. */
export type Logger = (record: LogRecord) => void

/** Hands a record to a logger, if there is one. */
export function log(logger: Logger | undefined, level: Level, event: string, more: Omit<LogRecord, 'level' | 'time' | 'event'>): void {
  if (logger !== undefined) write(logger, { level, time: onWall(now()), event, ...more })
}

export function write(logger: Logger, record: LogRecord): void {
  try {
    logger(record)
  } catch {
    // Nobody is left to tell.
  }
}
