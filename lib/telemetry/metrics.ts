import { now, onWall } from '../base/clock.js'
import type { Events, Traces } from '../base/events.js'
import { Cell, type Labels, type Metric } from './cells.js'
import { quietly, subscribe, unsubscribe } from './channels.js'

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

/** As Jina names what runs in a gateway. */
const GATEWAY: Labels = { runtime_name: 'gateway/rep-0' }

/** Endpoints that one executor has labels for, where nobody knows which there are. Clients may make them up: the rest is counted together. */
const MOST_ENDPOINTS = 100
const OTHERS = '(other)'

/** What is told one by one, to whom sums are of no use. */
export type Listener = (metric: Metric, value: number, labels: Labels) => void

/** What an executor does at one endpoint. */
interface AtEndpoint {
  readonly processing: Cell
  readonly documents: Cell
}

/** What a runtime does. */
class Runtime {
  readonly receiving: Cell
  readonly successful: Cell
  readonly failed: Cell

  constructor(
    readonly labels: Labels,
    protected readonly numbers: Numbers,
  ) {
    this.receiving = numbers.cell(METRICS.receiving, labels)
    this.successful = numbers.cell(METRICS.successful, labels)
    this.failed = numbers.cell(METRICS.failed, labels)
  }

  done(milliseconds: number, error: unknown): void {
    this.numbers.note(this.receiving, milliseconds / 1000)
    ;(error === undefined ? this.successful : this.failed).add(1)
  }
}

class OfExecutor extends Runtime {
  readonly #byEndpoint = new Map<string, AtEndpoint>()
  #madeUp = 0

  constructor(
    private readonly executor: string,
    numbers: Numbers,
  ) {
    // A Flow is one process: its replicas are counted together.
    super({ runtime_name: `${executor}/rep-0` }, numbers)
  }

  /** @param isBound whether the Flow has it; undefined, where that is not known */
  at(endpoint: string, isBound: boolean | undefined): AtEndpoint {
    const known = this.#byEndpoint.get(endpoint)
    if (known !== undefined) return known
    if (endpoint !== OTHERS && isBound !== true && (isBound === false || this.#madeUp++ >= MOST_ENDPOINTS)) return this.at(OTHERS, true)
    const labels = { executor: this.executor, executor_endpoint: endpoint, ...this.labels }
    const cells = { processing: this.numbers.cell(METRICS.processing, labels), documents: this.numbers.cell(METRICS.documents, labels) }
    this.#byEndpoint.set(endpoint, cells)
    return cells
  }
}

/** What was counted since somebody wanted it. */
export class Numbers {
  /** When it began, in milliseconds since the epoch. */
  readonly since = onWall(now())
  readonly #byMetric = new Map<string, { readonly metric: Metric; readonly cells: Map<Labels, Cell> }>()
  /** Who is told one by one. */
  readonly listeners = new Set<Listener>()

  /** Of one metric. */
  of({ name }: Metric): Iterable<Cell> {
    return this.#byMetric.get(name)?.cells.values() ?? []
  }

  /** By metric, in the order in which they were first wanted. Those that nothing was counted in yet are left out. */
  *all(): Generator<{ readonly metric: Metric; readonly cells: readonly Cell[] }> {
    for (const { metric, cells } of this.#byMetric.values()) {
      const counted = [...cells.values()].filter(({ count }) => count > 0)
      if (counted.length > 0) yield { metric, cells: counted }
    }
  }

  /** Labels that say the same are the same object. */
  cell(metric: Metric, labels: Labels): Cell {
    let known = this.#byMetric.get(metric.name)
    if (known === undefined) this.#byMetric.set(metric.name, (known = { metric, cells: new Map() }))
    let cell = known.cells.get(labels)
    if (cell === undefined) known.cells.set(labels, (cell = new Cell(known.metric, labels)))
    return cell
  }

  /** One more of a summary. */
  note(cell: Cell, value: number): void {
    cell.note(value)
    if (this.listeners.size === 0) return
    for (const listener of this.listeners) quietly(() => listener(cell.metric, value, cell.labels))
  }
}

/** Hears what happens, and counts it. @returns ends that */
export function count(numbers: Numbers): () => void {
  const gateway = new Runtime(GATEWAY, numbers)
  const atGateway = (metric: Metric): Cell => numbers.cell(metric, GATEWAY)
  const pending = atGateway(METRICS.pending)
  const sending = atGateway(METRICS.sending)
  const sizes = {
    server: { received: [atGateway(METRICS.receivedRequest), atGateway(METRICS.requestSize)], sent: [atGateway(METRICS.sentResponse)] },
    client: { received: [atGateway(METRICS.receivedResponse)], sent: [atGateway(METRICS.sentRequest)] },
  }
  const executors = new Map<string, OfExecutor>()
  const executorOf = (name: string): OfExecutor => {
    let own = executors.get(name)
    if (own === undefined) executors.set(name, (own = new OfExecutor(name, numbers)))
    return own
  }
  /** Who begins to listen hears the end of some that it has not heard begin. */
  const since = now()
  let inside = 0
  const own = new Map<string, Metric>()
  const listeners = {
    'tracing:sluice.request:start': () => {
      inside++
      pending.add(1)
    },
    'tracing:sluice.request:asyncEnd': ({ began, milliseconds = 0, error }: Traces['request']) => {
      if (began >= since) {
        inside--
        pending.add(-1)
      }
      gateway.done(milliseconds, error)
    },
    'tracing:sluice.executor:asyncEnd': ({ executor, endpoint, bound, docs, milliseconds = 0, error }: Traces['executor']) => {
      const own = executorOf(executor)
      const { processing, documents } = own.at(endpoint, bound)
      own.done(milliseconds, error)
      numbers.note(processing, milliseconds / 1000)
      if (error === undefined) documents.add(docs)
    },
    'tracing:sluice.call:asyncEnd': ({ milliseconds = 0 }: Traces['call']) => numbers.note(sending, milliseconds / 1000),
    'sluice.bytes': ({ side, direction, bytes }: Events['bytes']) => {
      for (const cell of sizes[side][direction]) numbers.note(cell, bytes)
    },
    'sluice.monitor': ({ name, documentation, executor, milliseconds }: Events['monitor']) => {
      let metric = own.get(name)
      if (metric === undefined) own.set(name, (metric = { name: `jina_${name}`, kind: 'summary', unit: 's', help: documentation }))
      numbers.note(numbers.cell(metric, executorOf(executor).labels), milliseconds / 1000)
    },
  }
  // Node ends the process for what is thrown there: a meter of somebody's may throw.
  const heard = Object.entries(listeners).map(([channel, listener]) => {
    const hear = (message: unknown): void => {
      try {
        listener(message as never)
      } catch {}
    }
    return [channel, hear] as const
  })
  for (const [channel, listener] of heard) subscribe(channel, listener)
  return () => {
    for (const [channel, listener] of heard) unsubscribe(channel, listener)
    // Their ends are not heard any more.
    if (inside > 0) pending.add(-inside)
  }
}
