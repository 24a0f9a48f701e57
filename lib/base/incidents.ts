import { clearTimeout, now, onWall, setTimeout } from './clock.js'
import { publish } from './events.js'
import { type Level, type Logger, type LogRecord, write } from './logger.js'

// What begins and what ends in a service, for who reads its log at night: a line each, however often it happens.
//
// What happened is told at once. The same again, of the same executor, replica and address, is kept for 10 s, and its other half with it (a replica that is back again):
// then the last of it is told, with how many were left out. While it goes on, the wait doubles, up to 5 minutes. So the last line of a subject is how it is.

/** Every kind, and how grave it is. What stands before the dot is the subject that begins and ends. */
export const INCIDENTS = {
  /** Requests are refused: all places are taken, and the line is full. `limit`, `waiting`. */
  'overload.began': 'warn',
  /** None was for 5 s. `refused`, `milliseconds`. */
  'overload.ended': 'info',
  /** As many bytes are inside as may be, and somebody was refused for it, or hung up on: `limit`, `waiting`. */
  'bytes.spent': 'warn',
  /** Nobody was for 5 s. `losses`, `milliseconds`. */
  'bytes.restored': 'info',
  /** An address is asked no more for a while. `reason`. */
  'breaker.opened': 'warn',
  /** It is asked again, as ever. `milliseconds`. */
  'breaker.closed': 'info',
  /** An instance of an executor, or an address of one elsewhere, is out of reach, or its process ended. `reason`. */
  'replica.gone': 'warn',
  'replica.back': 'info',
  /** A replica does not end calls whose time is up. `calls`, `milliseconds`. */
  'executor.stuck': 'warn',
  /** It answers again. */
  'executor.freed': 'info',
  /** What failed is not tried again, as too much was. `limit`. */
  'budget.spent': 'warn',
  /** It is again. `refused`, `milliseconds`. */
  'budget.restored': 'info',
  /** No file or connection can be opened any more, and who connects is hung up on. `reason`. */
  'handles.spent': 'error',
  /** They can again. `milliseconds`. */
  'handles.back': 'info',
  /** The connection to a server of NATS broke off, and what came by it is given up: `address`, `reason`. */
  'nats.lost': 'warn',
  /** It stands again. */
  'nats.back': 'info',
  /** Probes say no from now on. `reason`. */
  'health.lost': 'warn',
  'health.back': 'info',
  /** It shuts down, takes nothing new, and lets finish what is inside. `requests`, `waiting`, `milliseconds` that they have. */
  'drain.began': 'info',
  /** Nothing is inside any more. `milliseconds`. */
  'drain.ended': 'info',
  /** What was not done in the time of `close()` was cut off. `requests`, `executors`. */
  'drain.cut': 'error',
} as const satisfies Record<string, Level>

export type Incident = keyof typeof INCIDENTS

/** What is said of one. What names its subject comes first: of one subject, the same is not told again and again. */
export interface Telling {
  readonly executor?: string | undefined
  /** Which of its replicas, from 0 on. */
  readonly replica?: number | undefined
  /** Where it is, of one elsewhere. */
  readonly address?: string | undefined
  readonly error?: unknown
  /** Numbers and short texts; nothing that clients sent, and no secrets. */
  readonly [field: string]: unknown
}

/** Milliseconds for which the same is not told again, at first and at most. */
const QUIET = 10_000
const MOST = 300_000
/** Subjects that are remembered of a logger before those are forgotten that are still. */
const SUBJECTS = 1000

/** Tells a logger, and those who listen to `sluice.incident`, who hear of each. */
export function tell(logger: Logger | undefined, event: Incident, about: Telling): void {
  const record = recordOf(event, about)
  publish('incident', () => record)
  if (logger === undefined) return
  let subjects = told.get(logger)
  if (subjects === undefined) told.set(logger, (subjects = new Map()))
  const { executor, replica, address } = about
  const key = JSON.stringify([event.slice(0, event.indexOf('.')), executor, replica, address])
  let subject = subjects.get(key)
  if (subject === undefined) {
    if (subjects.size >= SUBJECTS) for (const [key, { isOver }] of subjects) if (isOver) subjects.delete(key)
    subjects.set(key, (subject = new Subject(logger)))
  }
  subject.tell(record)
}

const told = new WeakMap<Logger, Map<string, Subject>>()

function recordOf(event: Incident, { executor, error, ...fields }: Telling): LogRecord {
  return {
    level: INCIDENTS[event],
    time: onWall(now()),
    event,
    ...(executor !== undefined && { executor }),
    ...(error !== undefined && { error }),
    fields: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
  }
}

/** What begins and ends. */
class Subject {
  /** What was told already, until then. */
  readonly #events = new Set<string>()
  #until = 0
  #span = QUIET / 2
  #last: LogRecord | undefined
  #omitted = 0

  constructor(private readonly logger: Logger) {}

  /** Whether there is nothing to remember. */
  get isOver(): boolean {
    return this.#last === undefined && now() >= this.#until
  }

  tell(record: LogRecord): void {
    if (this.isOver) this.#write(record, now() < this.#until + this.#span)
    else if (this.#last === undefined && !this.#events.has(record.event)) {
      this.#events.add(record.event)
      write(this.logger, record)
    } else {
      if (this.#last === undefined) this.#later()
      else this.#omitted++
      this.#last = record
    }
  }

  #later(): void {
    const timer = setTimeout(() => {
      const { fields } = this.#last!
      const omitted = this.#omitted
      const record = omitted === 0 ? this.#last! : { ...this.#last!, fields: { ...fields, omitted } }
      this.#last = undefined
      this.#omitted = 0
      this.#write(record, true)
    }, this.#until - now())
    ;(timer as { unref?(): void }).unref?.()
  }

  /** @param again whether it goes on */
  #write(record: LogRecord, again: boolean): void {
    this.#span = again ? Math.min(2 * this.#span, MOST) : QUIET
    this.#until = now() + this.#span
    this.#events.clear()
    this.#events.add(record.event)
    write(this.logger, record)
  }
}

/** Something that happens often for a while, as that requests are refused: it begins with the first, and has ended when there was none for some time. */
export class Spell {
  #count = 0
  #began = 0
  #last = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param began told of the first
   * @param ended told how often it happened, and in how many milliseconds
   * @param quiet milliseconds without one after which it has ended
   */
  constructor(
    private readonly began: () => void,
    private readonly ended: (count: number, milliseconds: number) => void,
    private readonly quiet = 5000,
  ) {}

  /** It happens. */
  note(): void {
    this.#last = now()
    if (this.#count++ > 0) return
    this.#began = this.#last
    this.#watch(this.quiet)
    this.began()
  }

  /** Whether it goes on. */
  get isOn(): boolean {
    return this.#count > 0
  }

  /** A timer in its time, and not one each time. */
  #watch(time: number): void {
    this.#timer = setTimeout(() => {
      const rest = this.#last + this.quiet - now()
      if (rest > 0) this.#watch(rest)
      else this.end()
    }, time)
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  /** Nobody looks for it any more: what goes on has ended. */
  end(): void {
    if (this.#count === 0) return
    clearTimeout(this.#timer)
    const count = this.#count
    this.#count = 0
    this.ended(count, Math.round(this.#last - this.#began))
  }
}
