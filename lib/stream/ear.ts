import { later } from './turn.js'

interface Hearer {
  onAbort(): void
}

interface Told {
  abort(reason: unknown): void
}

interface Pending {
  readonly length: number
  shift(): { reject(reason: unknown): void }
}

/** One listener for all who listen to a signal: from eleven on, the platform would warn of a leak. */
const hearing = /* @__PURE__ */ new WeakMap<AbortSignal, Set<{ hear(): void }>>()

function onAbort(this: AbortSignal): void {
  for (const ear of [...(hearing.get(this) ?? [])]) ear.hear()
}

/** Has somebody hear of an abort. */
export function listen(signal: AbortSignal, ear: { hear(): void }): void {
  let ears = hearing.get(signal)
  if (ears === undefined) {
    ears = new Set()
    hearing.set(signal, ears)
    signal.addEventListener('abort', onAbort)
  }
  ears.add(ear)
}

export function unlisten(signal: AbortSignal, ear: { hear(): void }): void {
  const ears = hearing.get(signal)
  if (!ears?.delete(ear) || ears.size > 0) return
  hearing.delete(signal)
  signal.removeEventListener('abort', onAbort)
}

/** Iterators nobody can reach any more, and so nobody will close. */
const dropped = /* @__PURE__ */ new FinalizationRegistry<Ear>((ear) => ear.onDropped())

// Weak references cost more than a short iteration does, so they are made only for those that outlast a turn.
const young = /* @__PURE__ */ new Set<Ear>()
let aging = false

function age(): void {
  aging = false
  for (const ear of young) ear.weaken()
  young.clear()
}

/**
 * Listens to a signal for an iterator, which it does not keep alive: a signal may outlive many iterators that were dropped
 * half-way. It keeps what must hear of an abort in any case, the consumers that wait and the work in flight.
 */
export class Ear {
  private iterator: Hearer | undefined
  private weak: WeakRef<Hearer> | undefined

  constructor(
    private readonly signal: AbortSignal,
    iterator: Hearer,
    private readonly waiting: Pending,
    private readonly work: Told,
  ) {
    this.iterator = iterator
    young.add(this)
    if (!aging) {
      aging = true
      later(age)
    }
    listen(signal, this)
  }

  hear(): void {
    const iterator = this.iterator ?? this.weak?.deref()
    if (iterator !== undefined) return iterator.onAbort()
    const { reason } = this.signal
    while (this.waiting.length > 0) this.waiting.shift().reject(reason)
    this.work.abort(reason)
    this.close()
  }

  close(): void {
    if (!young.delete(this)) dropped.unregister(this)
    this.iterator = undefined
    unlisten(this.signal, this)
  }

  weaken(): void {
    const iterator = this.iterator!
    this.iterator = undefined
    this.weak = new WeakRef(iterator)
    dropped.register(iterator, this, this)
  }

  onDropped(): void {
    if (this.waiting.length > 0) return
    this.work.abort(new DOMException('The iterator was dropped', 'AbortError'))
    this.close()
  }
}
