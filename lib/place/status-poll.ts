import { now } from '../base/clock.js'
import type { SaidStatus } from '../request/health.js'
import type { ToldStatus } from '../wire/connection.js'
import { saidBy } from '../wire/said.js'

/** Milliseconds for which an answer holds. */
const HOLDS = 5000
/** Milliseconds between two questions, however many look; to who does not answer them, and to who says nothing of the kind. */
const BETWEEN = 500
const BETWEEN_FAILED = 2000
const BETWEEN_NONE = 30_000

/** What a server elsewhere says of itself, asked as long as somebody looks, and not while it is away. */
export class StatusPoll {
  readonly #ask: () => Promise<readonly ToldStatus[]>
  readonly #isAway: () => boolean
  #said: readonly SaidStatus[] = []
  #due = -Infinity
  #heard = -Infinity
  #asking = false
  /** It answered last, and says nothing of the kind. */
  #isMute = false

  constructor(ask: () => Promise<readonly ToldStatus[]>, isAway: () => boolean) {
    this.#ask = ask
    this.#isAway = isAway
  }

  /**
   * What was said last. The next is asked for meanwhile: nobody waits for it.
   * @returns nothing where that is not known; none where it answers, and says nothing of the kind
   * @param addresses whether where it is may be in it
   */
  look(addresses: boolean): readonly SaidStatus[] | undefined {
    const time = now()
    if (!this.#asking && time >= this.#due && !this.#isAway()) {
      this.#asking = true
      void this.#hear().finally(() => {
        this.#asking = false
      })
    }
    if (this.#isMute) return []
    if (this.#said.length === 0 || time - this.#heard > HOLDS) return undefined
    return addresses ? this.#said : this.#said.map(({ address: _, ...said }) => said)
  }

  async #hear(): Promise<void> {
    // Who does not answer this, and who says nothing of the kind, may answer requests all the same.
    const all = await this.#ask().catch(() => undefined)
    const time = now()
    this.#due = time + (all === undefined ? BETWEEN_FAILED : all.length === 0 ? BETWEEN_NONE : BETWEEN)
    if (all === undefined) return
    const before = new Map(this.#said.map((said) => [said.address, said]))
    const seconds = (time - this.#heard) / 1000
    this.#said = all.flatMap(({ address, status }) => {
      const said = saidBy(status)
      if (said === undefined) return []
      const last = before.get(address)
      // Who counts anew is another.
      if (last === undefined || seconds > HOLDS / 1000 || ended(said) < ended(last)) return { ...said, address }
      return { ...said, address, perSecond: Math.round(((ended(said) - ended(last)) / seconds) * 10) / 10 }
    })
    this.#heard = time
    this.#isMute = this.#said.length === 0
  }
}

function ended({ answered, failed }: Pick<SaidStatus, 'answered' | 'failed'>): number {
  return answered + failed
}
