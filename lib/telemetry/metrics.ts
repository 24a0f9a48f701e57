import { now } from '../base/clock.js'
import type { Events, Traces } from '../base/events.js'
import { quietly, subscribe, unsubscribe } from './channels.js'

export type Labels = Readonly<Record<string, string>>

/** What a metric is: a sum and a count of what was seen (Prometheus' summary, OpenTelemetry's histogram), what only grows, or what goes up and down. */
export interface Metric {
  readonly name: string
  readonly kind: 'summary' | 'counter' | 'gauge'
  readonly unit: 's' | 'By' | '1'
  readonly help: string
}

const metric = (name: string, kind: Metric['kind'], unit: Metric['unit'], help: string): Metric => ({ name: `jina_${name}`, kind, unit, help })

/** Jina 3.27's, by its names. */
export const METRICS = {
  receiving: metric('receiving_request_seconds', 'summary', 's', 'Time from a request until its answer'),
  pending: metric('number_of_pending_requests', 'gauge', '1', 'Requests that are not answered yet'),
  failed: metric('failed_requests', 'counter', '1', 'Requests that failed'),
  successful: metric('successful_requests', 'counter', '1', 'Requests that were answered'),
  receivedRequest: metric('received_request_bytes', 'summary', 'By', 'Bytes of requests that came'),
  /** Its older name, which Jina still tells. */
  requestSize: metric('request_size_bytes', 'summary', 'By', 'Bytes of requests that came. Older name of jina_received_request_bytes'),
  sentResponse: metric('sent_response_bytes', 'summary', 'By', 'Bytes of answers that went'),
  sending: metric('sending_request_seconds', 'summary', 's', 'Time from a request to an executor elsewhere until its answer'),
  sentRequest: metric('sent_request_bytes', 'summary', 'By', 'Bytes of requests to executors elsewhere'),
  receivedResponse: metric('received_response_bytes', 'summary', 'By', 'Bytes of answers of executors elsewhere'),
  processing: metric('process_request_seconds', 'summary', 's', 'Time that an executor has a request'),
  documents: metric('document_processed', 'counter', '1', 'Documents that an executor has answered with'),
} as const satisfies Record<string, Metric>

const SIZES = {
  server: { received: [METRICS.receivedRequest, METRICS.requestSize], sent: [METRICS.sentResponse] },
  client: { received: [METRICS.receivedResponse], sent: [METRICS.sentRequest] },
}

/** Where numbers go. Labels that say the same are the same object. */
export interface Sink {
  /** Adds to a counter, moves a gauge, or notes one more of a summary. */
  record(metric: Metric, value: number, labels: Labels): void
}

/** As Jina names what runs in a gateway. */
const GATEWAY: Labels = { runtime_name: 'gateway/rep-0' }

/** Endpoints that one executor has labels for. Clients choose them where an executor answers all: the rest is counted together. */
const MOST_ENDPOINTS = 100
const OTHERS = '(other)'

/** Labels of what an executor does. */
class Names {
  readonly own: Labels
  readonly #byEndpoint = new Map<string, Labels>()

  constructor(private readonly executor: string) {
    // A Flow is one process: its replicas are counted together.
    this.own = { runtime_name: `${executor}/rep-0` }
  }

  at(endpoint: string): Labels {
    const known = this.#byEndpoint.get(endpoint)
    if (known !== undefined) return known
    if (this.#byEndpoint.size >= MOST_ENDPOINTS && endpoint !== OTHERS) return this.at(OTHERS)
    const labels = { executor: this.executor, executor_endpoint: endpoint, ...this.own }
    this.#byEndpoint.set(endpoint, labels)
    return labels
  }
}

/** Hears what happens, and counts it. @returns ends that */
export function count(sink: Sink): () => void {
  const names = new Map<string, Names>()
  const namesOf = (executor: string): Names => {
    let own = names.get(executor)
    if (own === undefined) names.set(executor, (own = new Names(executor)))
    return own
  }
  /** Who begins to listen hears the end of some that it has not heard begin. */
  const since = now()
  let inside = 0
  const own = new Map<string, Metric>()
  const done = (labels: Labels, { milliseconds = 0, error }: Pick<Traces['request'], 'milliseconds' | 'error'>): void => {
    sink.record(METRICS.receiving, milliseconds / 1000, labels)
    sink.record(error === undefined ? METRICS.successful : METRICS.failed, 1, labels)
  }
  const listeners = {
    'tracing:sluice.request:start': () => {
      inside++
      sink.record(METRICS.pending, 1, GATEWAY)
    },
    'tracing:sluice.request:asyncEnd': (message: Traces['request']) => {
      if (message.began >= since) {
        inside--
        sink.record(METRICS.pending, -1, GATEWAY)
      }
      done(GATEWAY, message)
    },
    'tracing:sluice.executor:asyncEnd': (message: Traces['executor']) => {
      const names = namesOf(message.executor)
      const labels = names.at(message.endpoint)
      done(names.own, message)
      sink.record(METRICS.processing, (message.milliseconds ?? 0) / 1000, labels)
      if (message.error === undefined) sink.record(METRICS.documents, message.docs, labels)
    },
    'tracing:sluice.call:asyncEnd': ({ milliseconds = 0 }: Traces['call']) => sink.record(METRICS.sending, milliseconds / 1000, GATEWAY),
    'sluice.bytes': ({ side, direction, bytes }: Events['bytes']) => {
      for (const metric of SIZES[side][direction]) sink.record(metric, bytes, GATEWAY)
    },
    'sluice.monitor': ({ name, documentation, executor, milliseconds }: Events['monitor']) => {
      let metric = own.get(name)
      if (metric === undefined) own.set(name, (metric = { name: `jina_${name}`, kind: 'summary', unit: 's', help: documentation }))
      sink.record(metric, milliseconds / 1000, namesOf(executor).own)
    },
  }
  // Node ends the process for what is thrown there: a meter of somebody's may throw.
  const heard = Object.entries(listeners).map(
    ([channel, listener]) => [channel, (message: unknown): void => void quietly(() => listener(message as never))] as const,
  )
  for (const [channel, listener] of heard) subscribe(channel, listener)
  return () => {
    for (const [channel, listener] of heard) unsubscribe(channel, listener)
    // Their ends are not heard any more.
    if (inside > 0) quietly(() => sink.record(METRICS.pending, -inside, GATEWAY))
  }
}
