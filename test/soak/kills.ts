// What is killed at random while requests are under way: every request is answered once, and none is lost.
import { fileURLToPath } from 'node:url'
import type { Flow } from 'sluice'
import { count, type Row } from './report.js'

/** The module of who is killed, and its `Work`. */
export const WORK = fileURLToPath(new URL('./work.mjs', import.meta.url))
/** How often somebody is killed. */
const KILLS = Number(process.env['SOAK_COUNT'] ?? 20)
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? Infinity)
/** Requests for each kill. */
const EACH = 100

let state = Number(process.env['SOAK_SEED'] ?? 10) >>> 0
/** From 0 to below 1: the same numbers for the same seed. */
export function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

/** What a soak of its kind kills. */
interface Victims {
  /** How many have been killed so far. */
  readonly killed: number
  /** Hears of each answer: who gave it, as its executor says by `tags`. */
  heard(tags: { readonly pid: number; readonly shard: number }): void
  /** Kills somebody who is up, so that chance does not kill what has not begun. @returns whether it did, or may be asked again soon */
  kill(): boolean
}

/**
 * Asks for `EACH` requests a kill, and has somebody killed at random meanwhile.
 * @param what says of the victims what they were, once all is over
 */
export async function killed(flow: Flow<any>, victims: Victims, what: () => string): Promise<Row[]> {
  const answers = new Map<string, number>()
  let [failed, asked, next] = [0, 0, 1]
  const start = performance.now()
  const isOver = (): boolean => performance.now() - start > SECONDS * 1000

  function* inputs() {
    for (asked = 0; (asked < KILLS * EACH || victims.killed < KILLS) && !isOver(); ) yield { id: `${asked++}`, text: 'x' }
  }

  for await (const { docs, error } of flow.post('/', inputs, { requestSize: 1, prefetch: 16, continueOnError: true })) {
    if (error !== undefined) {
      if (failed++ < 5) console.log(error.message)
    } else {
      const [doc] = docs as any
      answers.set(doc.id, (answers.get(doc.id) ?? 0) + 1)
      victims.heard(doc.tags)
    }
    if (victims.killed < KILLS && --next <= 0 && victims.kill()) next = 1 + Math.floor(random() * EACH * 2)
  }
  await flow.close()
  const lost = asked - answers.size
  const twice = [...answers.values()].filter((count) => count > 1).length
  const all = `${count(asked)} requests, ${what()}`
  const none = (which: string, seen: number): Row => ({ what: `${all}: ${which}`, bound: '0', seen: count(seen), met: seen === 0 })
  return [none('lost', lost), none('failed', failed), none('answered twice', twice)]
}

/** Processes of the two replicas of `work`, by what they say of themselves. */
export class Processes {
  killed = 0
  readonly #flow: Flow<any>
  readonly #pids = new Map<number, number>()

  constructor(flow: Flow<any>) {
    this.#flow = flow
  }

  heard({ pid, shard }: Parameters<Victims['heard']>[0]): void {
    this.#pids.set(shard, pid)
  }

  kill(): boolean {
    const shard = random() < 0.5 ? 0 : 1
    const pid = this.#flow.workers[shard]!.state === 'up' ? this.#pids.get(shard) : undefined
    if (pid === undefined) return false
    this.#pids.delete(shard)
    try {
      process.kill(pid, 'SIGKILL')
      this.killed++
    } catch {
      // It is gone already.
    }
    return true
  }
}
