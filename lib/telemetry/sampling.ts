import type { Attributes, Context, Link, SpanContext, SpanKind, SpanOptions } from '@opentelemetry/api'
import { SAMPLED } from '../base/traceparent.js'
import { SUPPRESSED } from './contexts.js'

type Api = typeof import('@opentelemetry/api')
type Sdk = typeof import('@opentelemetry/sdk-trace-base')
type SdkSampler = import('@opentelemetry/sdk-trace-base').Sampler

/** A sampler, as OpenTelemetry's SDK has them: `TraceIdRatioBasedSampler`, `ParentBasedSampler`, or your own. */
export interface Sampler {
  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): { decision: number; traceState?: SpanContext['traceState']; attributes?: Readonly<Attributes> }
}

/** Three hexadecimal digits, by number: a table is several times as fast as writing numbers down. */
const DIGITS = Array.from({ length: 4096 }, (_, number) => number.toString(16).padStart(3, '0'))

/** Twelve digits by chance. */
function digits(): string {
  const random = Math.random() * 0x100_0000
  const high = random >>> 0
  const low = ((random - high) * 0x100_0000) >>> 0
  return DIGITS[high >>> 12]! + DIGITS[high & 4095]! + DIGITS[low >>> 12]! + DIGITS[low & 4095]!
}

/** What all ids of this process begin with, so that the rest costs less: never all zeros, which is no id. */
const OWN = `${digits().slice(0, 7)}1`

/** Makes ids for OpenTelemetry's SDK, in a tenth of its time. */
export class Ids {
  /** The id of the next trace, which somebody was asked about. */
  next: string | undefined

  generateTraceId(): string {
    const id = this.next ?? OWN + digits() + digits()
    this.next = undefined
    return id
  }

  generateSpanId(): string {
    return OWN.slice(4) + digits()
  }
}

const NONE: Link[] = []
/** NOT_RECORD of OpenTelemetry's SDK. */
const NOT_RECORD = 0

/** Decides before a span is begun: most requests need none then, and what the SDK does for one that is not recorded costs as much as a small request. */
export class Sampling {
  readonly #sampler: Sampler | number
  readonly #ids: Ids
  readonly #isShared: boolean

  /**
   * @param sampler or the share of those that begin here
   * @param ids those of the provider, where it is ours: its sampler is asked about the same trace again then, and says the same
   */
  constructor(sampler: Sampler | number, ids: Ids | undefined) {
    this.#sampler = sampler
    this.#ids = ids ?? new Ids()
    this.#isShared = ids !== undefined
  }

  /** The context of what is not recorded. Undefined for what is: the provider is asked for a span of it. */
  refused({ trace, isSpanContextValid }: Api, name: string, options: SpanOptions, parent: Context): SpanContext | undefined {
    // Of exporters' own work, the provider knows.
    if (parent.getValue(SUPPRESSED) !== undefined) return undefined
    const given = trace.getSpanContext(parent)
    const before = given !== undefined && isSpanContextValid(given) ? given : undefined
    if (typeof this.#sampler === 'number') {
      const isSampled = before === undefined ? Math.random() < this.#sampler : (before.traceFlags & SAMPLED) !== 0
      return isSampled ? undefined : this.#unsampled(before?.traceId ?? this.#ids.generateTraceId(), before?.traceState)
    }
    const traceId = before?.traceId ?? this.#ids.generateTraceId()
    const { kind, attributes, links = NONE } = options
    const said = this.#sampler.shouldSample(parent, traceId, name, kind!, attributes!, links)
    if (said.decision === NOT_RECORD) return this.#unsampled(traceId, said.traceState ?? before?.traceState)
    if (before === undefined && this.#isShared) this.#ids.next = traceId
    if (said.attributes !== undefined) options.attributes = { ...attributes, ...said.attributes }
    return undefined
  }

  #unsampled(traceId: string, traceState: SpanContext['traceState']): SpanContext {
    const context: SpanContext = { traceId, spanId: this.#ids.generateSpanId(), traceFlags: 0 }
    if (traceState !== undefined) context.traceState = traceState
    return context
  }
}

/** What `OTEL_TRACES_SAMPLER` says, where it says how many. All else, the SDK reads. */
export function samplerOfEnvironment({ ParentBasedSampler, TraceIdRatioBasedSampler }: Sdk): SdkSampler | undefined {
  const { OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG = '' } = globalThis.process?.env ?? {}
  const ratio = Number(OTEL_TRACES_SAMPLER_ARG.trim() || Number.NaN)
  if (!(ratio >= 0 && ratio <= 1)) return undefined
  const root = new TraceIdRatioBasedSampler(ratio)
  const name = OTEL_TRACES_SAMPLER?.trim()
  return name === 'traceidratio' ? root : name === 'parentbased_traceidratio' ? new ParentBasedSampler({ root }) : undefined
}
