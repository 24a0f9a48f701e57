import { type Call, Executor, requests } from 'sluice'
import { Index } from './store.js'
import { terms } from './terms.js'
import type { Synset } from './wordnet.js'

/** Cuts texts into terms, those of questions as those of documents. */
export class Tokenize extends Executor<{ stem: boolean }> {
  @requests(['/index', '/search'])
  tokenize({ docs }: Call<Synset>): void {
    for (const { text, tags } of docs) tags.terms = terms(text, this.config.stem)
  }
}

/** Counts how often each term occurs: the half of BM25 that is known before the question. */
export class Score extends Executor {
  @requests('/index')
  count({ docs }: Call<Synset>): void {
    for (const { tags } of docs) {
      const counts = new Map<string, number>()
      for (const term of tags.terms!) counts.set(term, (counts.get(term) ?? 0) + 1)
      tags.counts = [...counts]
    }
  }
}

/** Keeps documents and postings on disk, and finds documents again. */
export class Store extends Executor {
  #index!: Index

  override open(): void {
    this.#index = new Index(this.workspace)
  }

  override async close(): Promise<void> {
    await this.#index.close()
  }

  @requests('/index')
  async write({ docs }: Call<Synset>): Promise<void> {
    await this.#index.add(docs)
  }

  @requests('/search')
  search({ docs, parameters: { top = 5 } }: Call<Synset, { top?: number }>): void {
    for (const doc of docs) doc.matches = this.#index.search(doc.tags.terms!, top)
  }

  @requests('/status')
  status(): { documents: number } {
    return { documents: this.#index.size }
  }
}
