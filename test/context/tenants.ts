import { AsyncLocalStorage } from 'node:async_hooks'
import type { Call } from '../../lib/executor/executor.js'
import { turn } from '../support/turn.js'

export const TENANTS = ['alice', 'bob'] as const

/** Whose work this is, as an application keeps it. */
export const tenant = new AsyncLocalStorage<string>()

/** Notes whose context everything runs in; documents carry their tenant as text. */
export class Witness {
  seen = 0
  /** What ran in somebody else's. */
  readonly foreign: string[] = []

  see(place: string, wanted: string | undefined): void {
    this.seen++
    const found = tenant.getStore()
    if (found !== wanted) this.foreign.push(`${place} of ${wanted} ran as ${found}`)
  }

  docs(place: string, docs: Iterable<{ readonly text: string }>): void {
    for (const { text } of docs) this.see(place, text)
  }

  /** As executors that compute: turns of the event loop are used up, and what waits for the next is continued by whoever comes first. */
  readonly sync = ({ docs }: Call): void => {
    busy()
    this.docs('executor', docs)
  }

  readonly async = async ({ docs }: Call): Promise<void> => {
    this.docs('executor', docs)
    await turn()
    busy()
    this.docs('executor, later', docs)
  }

  readonly pieces = (call: Call): AsyncGenerator<Call['docs'][number]> => pieces(this, call)
}

/** Each piece, what is between them, and the end. */
async function* pieces(witness: Witness, { docs }: Call): AsyncGenerator<Call['docs'][number]> {
  try {
    for (const doc of docs) {
      witness.see('piece', doc.text)
      yield doc
      witness.see('after a piece', doc.text)
      await turn()
      busy()
      yield doc
    }
  } finally {
    witness.docs('end of a generator', docs)
  }
}

/** A hundred of them last longer than the stream's turn. */
export function busy(milliseconds = 0.1): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}
