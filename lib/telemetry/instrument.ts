import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import { flag, type Rule } from '../base/check.js'
import { DependencyError, OptionRangeError, optionRange, optionType } from '../base/errors.js'
import { isDone } from '../base/is-done.js'
import { checkNamed } from '../base/misspelled.js'
import { builtin } from '../base/node.js'
import { VERSION } from '../base/version.js'
import { loadChannels } from './channels.js'
import { keepContexts } from './contexts.js'
import { type Exporting, exportMetrics, exportSpans, resourceOf } from './exporters.js'
import { tellMeter } from './meters.js'
import { count, Numbers } from './metrics.js'
import { endpointOf, type FlowTelemetry, type Telemetry } from './options.js'
import { peer } from './peers.js'
import { Producer } from './producer.js'
import { prometheusText } from './prometheus.js'
import { type Sampler, Sampling } from './sampling.js'
import { Spans } from './spans.js'

/** A reader of metrics of OpenTelemetry's SDK, such as a `PeriodicExportingMetricReader`, that no MeterProvider has. */
interface NumbersReader {
  setMetricProducer(producer: never): void
  selectAggregationTemporality(type: never): number
}

/** What is told, and to whom. */
export interface TelemetryOptions {
  /** Spans of requests, executors, batches and calls: by OpenTelemetry's global provider, or by this one. Default `true`. */
  tracing?: boolean | TracerProvider | undefined
  /**
   * How many of the requests that begin here are sampled: a share from 0 to 1, or a sampler of OpenTelemetry's SDK. It is asked before a span is begun, and of a request that it leaves out, the provider
   * hears nothing: that costs a fraction of what asking the provider costs. What comes from elsewhere goes by what was decided there, where it is a share. What is sampled, the provider's own sampler
   * is asked about as well: leave that at its default, which takes all of it. By default the provider alone decides. Where tracing was begun before, that goes on as it is.
   */
  sampler?: Sampler | number | undefined
  /**
   * Jina's metrics: to OpenTelemetry's global provider, or to this one. Default `true`. A provider of OpenTelemetry's SDK takes each measurement by itself, five and more a request. A reader takes
   * sums when it reads, and a request costs some additions: prefer one where requests are small. It needs `@opentelemetry/resources`.
   */
  metrics?: boolean | MeterProvider | NumbersReader | undefined
  /** Messages and stacks of errors in spans: executors may have put documents in them. Who begins it first, decides. Default `false`: `error.type`, a code or a name, alone. */
  exceptions?: boolean | undefined
}

const RULES: Record<keyof TelemetryOptions, Rule> = {
  tracing: provider(['getTracer'], 'a TracerProvider'),
  metrics: provider(['getMeter', 'setMetricProducer'], 'a MeterProvider or a MetricReader'),
  exceptions: flag,
  sampler,
}

function provider(methods: readonly string[], what: string): Rule {
  return (name, value) => {
    if (typeof value !== 'boolean' && !methods.some((method) => typeof value?.[method] === 'function')) throw optionType(name, `true, false or ${what}`, value)
  }
}

function sampler(name: string, value: any): void {
  if (typeof value?.shouldSample === 'function') return
  if (typeof value !== 'number') throw optionType(name, 'a number from 0 to 1 or a Sampler', value)
  if (!(value >= 0 && value <= 1)) throw optionRange(name, 'from 0 to 1', value)
}

/** One kind of telemetry that goes on in this process, as several Flows may want it. */
interface Going {
  /** Where it goes: those who want another place cannot have it at once. */
  readonly to: unknown
  users: number
  readonly begun: Promise<{ close(): Promise<void> }>
}

/** Milliseconds that who closes waits for a collector to take what is left. */
const FAREWELL = 2500

type Kind = 'tracing' | 'metrics' | 'registry'

const NAMES = { tracing: 'tracing', metrics: 'metrics', registry: '/metrics' }

/** What goes on. Channels are of the process, and so is all that listens to them. */
const going = new Map<Kind, Going>()
let numbers = new Numbers()
/** A reader keeps whom it was given first. */
const producers = new WeakMap<NumbersReader, Producer>()

/**
 * Tells OpenTelemetry what happens in all Flows, Clients and executors of this process: spans and metrics, by Jina's names. Needs the package `@opentelemetry/api`; who is registered there, if anybody
 * is, gets them. Called again, it goes on until all are closed.
 * @throws OptionTypeError (`ERR_OPTION_TYPE`) for options; DependencyError (`ERR_DEPENDENCY`) where `@opentelemetry/api` is missing, or Node is older than 20.16; OptionRangeError (`ERR_OPTION_RANGE`) where another provider gets them already
 * @example
 * await using telemetry = await instrument()
 */
export async function instrument(options: TelemetryOptions = {}): Promise<Telemetry> {
  const { tracing = true, metrics = true, exceptions = false, sampler: own } = checkNamed('instrument', options, RULES)
  const wanted: Promise<() => Promise<void>>[] = []
  if (metrics !== false) wanted.push(begin('registry', 'here', keepNumbers))
  if (tracing !== false)
    wanted.push(
      begin('tracing', tracing === true ? 'global' : tracing, () =>
        makeSpans(tracing === true ? undefined : tracing, { exceptions, sampling: own === undefined ? undefined : new Sampling(own, undefined) }),
      ),
    )
  if (metrics !== false) wanted.push(begin('metrics', metrics === true ? 'global' : metrics, () => tellMetrics(metrics)))
  return together(wanted)
}

/**
 * The same for a Flow: to where its options say.
 * @param service how it is called there
 */
export async function telemetryOf(service: string, options: FlowTelemetry): Promise<Telemetry> {
  const { tracing, metrics, monitoring, portMonitoring } = options
  // All that may fail, or wait, comes first: what has begun has nobody yet who ends it.
  const spansTo = addressOf(options.tracesExporterHost, options.tracesExporterPort)
  const numbersTo = addressOf(options.metricsExporterHost, options.metricsExporterPort)
  // Without anybody to send them to, they are read at /metrics alone, for which nothing need be installed.
  const hasMeters = metrics && numbersTo === undefined && (await isInstalled())
  const wanted: Promise<() => Promise<void>>[] = []
  if (metrics || monitoring || portMonitoring !== undefined) wanted.push(begin('registry', 'here', keepNumbers))
  if (tracing) {
    if (spansTo === undefined) wanted.push(begin('tracing', 'global', () => makeSpans(undefined)))
    else
      wanted.push(
        begin('tracing', spansTo, async () => {
          const exporting = await exportSpans(service, spansTo)
          return exported(exporting, (provider) => makeSpans(provider, { register: true, sampling: exporting.sampling }))
        }),
      )
  }
  if (metrics) {
    if (numbersTo !== undefined)
      wanted.push(begin('metrics', numbersTo, async () => exported(await exportMetrics(numbersTo), (reader) => tellReader(reader, service), true)))
    else if (hasMeters) wanted.push(begin('metrics', 'global', () => tellMetrics(true)))
  }
  return together(wanted)
}

function addressOf(host: string | undefined, port: number | undefined): string | undefined {
  return host === undefined && port === undefined ? undefined : endpointOf({ host, port })
}

async function together(wanted: readonly Promise<() => Promise<void>>[]): Promise<Telemetry> {
  const all = await Promise.allSettled(wanted)
  const ends = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = all.find((one) => one.status === 'rejected')
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= Promise.all(ends.map((end) => end())).then(() => {}))
  if (failed !== undefined) {
    await close()
    throw failed.reason
  }
  const own = numbers
  return { prometheus: () => prometheusText(own), close, [Symbol.asyncDispose]: close }
}

/** Begins it, where it does not go on already. @returns leaves it: the last one ends it */
async function begin(kind: Kind, to: unknown, start: () => Promise<{ close(): Promise<void> }>): Promise<() => Promise<void>> {
  let one = going.get(kind)
  if (one !== undefined && one.to !== to)
    throw new OptionRangeError(
      `${NAMES[kind]} of this process goes ${said(one.to)} already, and cannot go ${said(to)} as well: it hears all Flows of a process. Say the same for all, or register one provider for both`,
    )
  if (one === undefined) going.set(kind, (one = { to, users: 0, begun: start() }))
  const own = one
  own.users++
  const leave = async (): Promise<void> => {
    if (--own.users > 0) return
    if (going.get(kind) === own) going.delete(kind)
    await (await own.begun).close()
  }
  try {
    await own.begun
    return leave
  } catch (error) {
    own.users--
    if (going.get(kind) === own) going.delete(kind)
    throw error
  }
}

function said(to: unknown): string {
  return to === 'global' ? "to OpenTelemetry's global provider" : typeof to === 'string' ? `to ${to}` : 'to the provider that was given'
}

async function channelsHere(): Promise<void> {
  await loadChannels()
  if (builtin('diagnostics_channel') === undefined) throw new DependencyError('node', 'Telemetry needs Node 20.16 or later, where events are told')
}

async function keepNumbers(): Promise<{ close(): Promise<void> }> {
  await channelsHere()
  numbers = new Numbers()
  const end = count(numbers)
  return { close: async () => end() }
}

async function makeSpans(
  provider: TracerProvider | undefined,
  { register = false, exceptions = false, sampling }: { register?: boolean; exceptions?: boolean; sampling?: Sampling | undefined } = {},
): Promise<{ close(): Promise<void> }> {
  await channelsHere()
  const api = await peer('@opentelemetry/api')
  const contexts = await keepContexts(api)
  // So that spans of executors' own are exported, too; who registered one before wants his own.
  const registered = register && api.trace.setGlobalTracerProvider(provider!)
  const leave = (): void => {
    if (registered) api.trace.disable()
    contexts.close()
  }
  try {
    const end = await new Spans(api, (provider ?? api.trace).getTracer('sluice', VERSION), contexts, exceptions, sampling).listen()
    return {
      async close() {
        end()
        leave()
      },
    }
  } catch (error) {
    leave()
    throw error
  }
}

/** What is counted by now, once that has begun: it is wanted before it is told. */
async function counted(): Promise<Numbers> {
  await going.get('registry')!.begun
  return numbers
}

async function tellMetrics(to: true | MeterProvider | NumbersReader): Promise<{ close(): Promise<void> }> {
  if (to !== true && !('getMeter' in to)) return tellReader(to, undefined)
  const own = await counted()
  const api = await peer('@opentelemetry/api')
  const end = tellMeter((to === true ? api.metrics : to).getMeter('sluice', VERSION), own, api.ROOT_CONTEXT)
  return { close: async () => end() }
}

/** @throws OptionRangeError (`ERR_OPTION_RANGE`) for a reader that a MeterProvider has */
async function tellReader(reader: NumbersReader, service: string | undefined): Promise<{ close(): Promise<void> }> {
  const own = await counted()
  let producer = producers.get(reader)
  if (producer === undefined) {
    producer = new Producer(await resourceOf(service), (type) => reader.selectAggregationTemporality(type as never))
    try {
      reader.setMetricProducer(producer as never)
    } catch (cause) {
      throw new OptionRangeError('metrics must be a reader that no MeterProvider has: give the provider itself, or a reader of its own', { cause })
    }
    producers.set(reader, producer)
  }
  const told = producer
  told.numbers = own
  return {
    async close() {
      told.numbers = undefined
    },
  }
}

/**
 * What is told to a provider of our own: it ends with that.
 * @param asks whether the provider asks for it at its end
 */
async function exported<P>(
  { provider, close }: Exporting<P>,
  tell: (provider: P) => Promise<{ close(): Promise<void> }>,
  asks = false,
): Promise<{ close(): Promise<void> }> {
  const told = await tell(provider).catch(async (error) => {
    await close().catch(() => {})
    throw error
  })
  return {
    async close() {
      // Sums are asked for once more, while they are told. Spans are not: who begins anew meanwhile must find nothing of these.
      if (!asks) await told.close()
      // Who would receive it may be gone, or say nothing: nobody is kept waiting for that, nor fails of it.
      await isDone(
        close().catch(() => {}),
        FAREWELL,
      )
      if (asks) await told.close()
    },
  }
}

async function isInstalled(): Promise<boolean> {
  return peer('@opentelemetry/api').then(
    () => true,
    () => false,
  )
}
