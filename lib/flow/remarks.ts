import { OptionRangeError, show } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import { meantOrAll } from '../base/nearest.js'
import { Unread } from '../post/unread.js'
import type { Header } from '../request/request.js'
import { checkEndpoints } from './endpoint-keys.js'

/** Endpoints, and patterns of executors, that are told of, and kept for that: clients could name any number. */
const MOST = 32

/** Characters of such a name that are kept. */
const LONGEST = 200

/** An executor, as far as requests find it. */
export interface Meant {
  readonly name: string
  accepts(endpoint: string): boolean
}

/** What is most likely a mistake, and no failure: told once, to the logger, or else as a warning of the process. */
export class Remarks extends Unread {
  readonly #name: string
  readonly #unknown = new Set<string>()
  readonly #missed = new Set<string>()

  constructor(name: string, logger: Logger | undefined) {
    super(name, logger)
    this.#name = name
  }

  /** An endpoint that no executor answers, whose documents come out as they went in. */
  unknown(endpoint: string, known: readonly string[]): void {
    if (!isNew(this.#unknown, endpoint)) return
    try {
      checkEndpoints('post()', [short(endpoint)], known, () => {})
    } catch (error) {
      this.remark('endpoint.unknown', error as Error, endpoint)
    }
  }

  /** A request that names executors: if it means none, or none of those answers its endpoint, its documents come out as they went in. */
  targeted(header: Header, executors: readonly Meant[]): void {
    const { targetExecutor: pattern, execEndpoint: endpoint } = header
    // Of each request that names any, this alone is asked, and mostly of the first that is meant.
    if (executors.some((executor) => header.targets(executor.name) && executor.accepts(endpoint))) return
    const meant = executors.filter(({ name }) => header.targets(name))
    if (!isNew(this.#missed, `${pattern} ${meant.length > 0 ? endpoint : ''}`)) return
    const names = (list: readonly Meant[]): string[] => list.map(({ name }) => name)
    const why =
      meant.length > 0
        ? `means ${names(meant).join(', ')}, which ${meant.length === 1 ? 'does' : 'do'} not answer ${endpoint}`
        : `matches the start of no executor's name. ${meantOrAll(pattern!, names(executors))}`
    this.remark('target.unknown', new OptionRangeError(`targetExecutor ${show(pattern)} of a request to ${this.#name} ${why}`), endpoint)
  }
}

/** Whether it is to be told, as it was not before. */
function isNew(told: Set<string>, what: string): boolean {
  const key = short(what)
  if (told.has(key) || told.size >= MOST) return false
  told.add(key)
  return true
}

/** Clients make up names of any length. */
function short(name: string): string {
  return name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name
}
