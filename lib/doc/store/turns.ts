import type { AsyncLocalStorage } from 'node:async_hooks'
import type { Document } from '../document.js'

/** How often a change is made anew where others changed the document meanwhile. */
const TRIES = 100

/** A document that is being changed, and what writes it: at once, or in the next transaction. */
export interface Writing {
  /** Of the document, in its store. */
  readonly key: number
  readonly document: Document
  now(): void
  later(): Promise<Document>
}

interface Turn {
  over: boolean
}

/** Who has a turn, so that what a change edits in turn never waits: it could wait for itself. Shared by all stores, and in use only while turns are taken: it costs each promise. */
let turns: AsyncLocalStorage<Turn> | undefined
let taken = 0

/** Edits of one document, one behind the other as soon as two got into each other's way. Those of another process or thread have no turn here. */
export class Turns {
  /** By a document's key, the end of the last turn that was given. */
  readonly #last = new Map<number, Promise<void>>()

  constructor(private readonly hooks: typeof import('node:async_hooks')) {}

  /**
   * Changes a document, and writes it.
   * @param edit reads it
   * @throws rejects with StoreError (`ERR_STORE_CONFLICT`) where others changed it each time of a hundred; what `edit` and `change` throw
   */
  async change(edit: () => Writing, change: (document: Document) => unknown): Promise<Document> {
    const first = edit()
    const once = async (writing: Writing): Promise<Document> => {
      await change(writing.document)
      return writing.later()
    }
    let tries = 0
    const again = (error: unknown): void => {
      if ((error as { code?: string }).code !== 'ERR_STORE_CONFLICT' || tries++ === TRIES) throw error
    }
    if (!this.#last.has(first.key)) {
      try {
        return await once(first)
      } catch (error) {
        again(error)
      }
    }
    return this.#inTurn(first.key, async () => {
      for (;;) {
        try {
          return await once(edit())
        } catch (error) {
          again(error)
        }
      }
    })
  }

  async #inTurn<R>(key: number, run: () => Promise<R>): Promise<R> {
    if (turns?.getStore()?.over === false) return run()
    const before = this.#last.get(key)
    let end!: () => void
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#last.set(key, ended)
    await before
    const turn: Turn = { over: false }
    turns ??= new this.hooks.AsyncLocalStorage<Turn>()
    taken++
    try {
      return await turns.run(turn, run)
    } finally {
      turn.over = true
      if (--taken === 0) turns.disable()
      if (this.#last.get(key) === ended) this.#last.delete(key)
      end()
    }
  }
}
