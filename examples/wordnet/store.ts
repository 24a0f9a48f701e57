import { type Database, open, type RootDatabase } from 'lmdb'
import type { Document, DocumentInit } from 'sluice'
import type { Synset } from './wordnet.js'

/** BM25: how soon further occurrences of a term stop counting, and how much long documents are held back. */
const K1 = 1.2
const B = 0.75

type Stored = Pick<Document<Synset>, 'id' | 'text'> & { tags: Pick<Synset, 'words' | 'pos'> }

/** An inverted index in an lmdb file. Postings are only ever appended: each batch has its own, under the term and its first number. */
export class Index {
  readonly #root: RootDatabase<{ documents: number; terms: number }, 'totals'>
  readonly #documents: Database<Stored, number>
  /** By the id of a document. */
  readonly #numbers: Database<number, string>
  /** By term and batch: document, occurrences, document length; document, occurrences, … */
  readonly #postings: Database<number[], [term: string, batch: number]>
  #totals: { documents: number; terms: number }

  constructor(folder: string) {
    this.#root = open({ path: folder })
    this.#documents = this.#root.openDB({ name: 'documents' })
    this.#numbers = this.#root.openDB({ name: 'numbers' })
    this.#postings = this.#root.openDB({ name: 'postings' })
    this.#totals = this.#root.get('totals') ?? { documents: 0, terms: 0 }
  }

  /** How many documents there are. */
  get size(): number {
    return this.#totals.documents
  }

  /** Adds documents in one transaction, and resolves when they are on disk. Those that are there already stay: a queue may bring them twice. */
  async add(docs: readonly Document<Synset>[]): Promise<void> {
    await this.#root.transaction(() => {
      const totals = { ...this.#totals }
      const first = totals.documents
      const batch = new Map<string, number[]>()
      for (const { id, text, tags } of docs) {
        if (this.#numbers.doesExist(id)) continue
        const number = totals.documents++
        this.#numbers.put(id, number)
        this.#documents.put(number, { id, text, tags: { words: tags.words, pos: tags.pos } })
        totals.terms += tags.terms!.length
        for (const [term, count] of tags.counts!) {
          const postings = batch.get(term)
          if (postings === undefined) batch.set(term, [number, count, tags.terms!.length])
          else postings.push(number, count, tags.terms!.length)
        }
      }
      for (const [term, postings] of batch) this.#postings.put([term, first], postings)
      this.#root.put('totals', totals)
      this.#totals = totals
    })
  }

  /** The documents that have most to do with the terms, the best first, each with its score. */
  search(terms: readonly string[], top: number): DocumentInit<Stored['tags']>[] {
    const { documents, terms: length } = this.#totals
    const scores = new Map<number, number>()
    for (const term of new Set(terms)) {
      const postings = [...this.#postings.getRange({ start: [term, 0], end: [term, documents] })].flatMap(({ value }) => value)
      const matching = postings.length / 3
      const rarity = Math.log(1 + (documents - matching + 0.5) / (matching + 0.5))
      for (let at = 0; at < postings.length; at += 3) {
        const [document, count, size] = [postings[at]!, postings[at + 1]!, postings[at + 2]!]
        const weight = (count * (K1 + 1)) / (count + K1 * (1 - B + (B * size * documents) / length))
        scores.set(document, (scores.get(document) ?? 0) + rarity * weight)
      }
    }
    const best = [...scores].sort(([, a], [, b]) => b - a).slice(0, top)
    return best.map(([document, value]) => ({ ...this.#documents.get(document)!, scores: { bm25: value } }))
  }

  async close(): Promise<void> {
    await this.#root.close()
  }
}
