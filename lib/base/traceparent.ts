/** What W3C's `traceparent` says. */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Of W3C's flags. */
export const SAMPLED = 1
/** Where the flags end, as all versions write it. */
const UNSAMPLED = /^.{54}[02468ace]/

/** Nothing for what is none: whoever reads it begins a trace of its own then, as W3C wants it. */
export function readTraceparent(text: string | undefined): TraceContext | undefined {
  if (text === undefined) return undefined
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(text) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined
  return { traceId: traceId!, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16) }
}

/** What was written or read last: a request brings the same text to each executor that has it, often at once. */
let last: string | undefined
let lastUnsampled = false

export function writeTraceparent({ traceId, spanId, traceFlags }: TraceContext): string {
  const flags = traceFlags < 2 ? `0${traceFlags}` : (traceFlags & 0xff).toString(16).padStart(2, '0')
  lastUnsampled = (traceFlags & SAMPLED) === 0
  return (last = `00-${traceId}-${spanId}-${flags}`)
}

/** Whether somebody before has decided that the trace is not recorded. */
export function isUnsampled(text: string | undefined): boolean {
  if (text === undefined) return false
  if (text !== last) {
    lastUnsampled = UNSAMPLED.test(text) && readTraceparent(text) !== undefined
    last = text
  }
  return lastUnsampled
}

/** Of the trace that a request is part of, if it is part of one. */
export function traceIdOf({ contextHeaders }: { readonly contextHeaders: { readonly traceparent?: string } | undefined }): string | undefined {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(contextHeaders?.traceparent ?? '')?.[1]
}
