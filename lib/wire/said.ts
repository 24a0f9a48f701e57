import { isPlainObject } from '../doc/json.js'
import type { SaidStatus } from '../request/health.js'

/** Among the headers of a question over gRPC and NATS: what it wants, as `statusAsked()` takes it. */
export const LIVE = 'sluice-live'
/** Said by who is elsewhere, and looks at this server alone. */
export const OWN = 'own'

/** Of these, what one answer says. */
type Said = Omit<SaidStatus, 'perSecond' | 'address'>

const count = (value: unknown): number => (typeof value === 'number' && value >= 0 && value < Infinity ? value : 0)
const time = (value: unknown): number | undefined => (typeof value === 'number' && value >= 0 && value < Infinity ? value : undefined)
const part = (of: unknown, name: string): Record<string, unknown> => {
  const value = isPlainObject(of) ? of[name] : undefined
  return isPlainObject(value) ? value : {}
}

/** The numbers in a `ServiceStatus` that came from elsewhere; undefined where it is none, as of servers that are no sluice. Nothing else of it is taken. */
export function saidBy(status: unknown): Said | undefined {
  if (!isPlainObject(status) || !isPlainObject(status.requests)) return undefined
  const { requests } = status
  const times = part(status, 'times')
  const executors = Array.isArray(status.executors) ? status.executors : []
  // In its own line, and in those in front of its executors.
  const waiting = executors.reduce((sum: number, executor) => sum + count((executor as { waiting?: unknown } | null)?.waiting), count(requests.waiting))
  return {
    ready: part(status, 'health').ready === true,
    ...{ inFlight: count(requests.inFlight), waiting, answered: count(requests.answered), failed: count(requests.failed) },
    ...{ p50: time(times.p50), p99: time(times.p99) },
  }
}
