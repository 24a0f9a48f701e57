import { join } from 'node:path'
import { type Call, type Document, type DocumentInit, Executor } from 'sluice'
import { DocumentArrayMemmap } from 'sluice/doc'
import type { Synset } from '../wordnet/wordnet.js'

/** Keeps documents with their embeddings on disk, and finds those that are nearest to a question. */
export class Vectors extends Executor {
  static requests = { '/index': 'index', '/search': 'search' }
  #kept!: DocumentArrayMemmap<Document<Synset>>

  override open(): void {
    this.#kept = new DocumentArrayMemmap(join(this.workspace, 'vectors'))
  }

  override async close(): Promise<void> {
    await this.#kept.close()
  }

  async index({ docs }: Call<Synset>): Promise<void> {
    await this.#kept.extend(docs)
  }

  /** Reads what is kept once for all questions of a request, and holds no more of it than the best. */
  async search({ docs, parameters: { top = 5 } }: Call<Synset, { top?: number }>): Promise<void> {
    const found = docs.map((doc) => ({ vector: vectorOf(doc), best: [] as { doc: Document<Synset>; cosine: number }[] }))
    for await (const doc of this.#kept) {
      const vector = vectorOf(doc)
      for (const question of found) {
        const cosine = dot(question.vector, vector)
        if (cosine > (question.best[top - 1]?.cosine ?? -1))
          question.best = [...question.best, { doc, cosine }].sort((a, b) => b.cosine - a.cosine).slice(0, top)
      }
    }
    for (const [at, { best }] of found.entries()) {
      docs[at]!.matches = best.map(({ doc: { id, text, tags }, cosine }): DocumentInit<Synset> => ({ id, text, tags, scores: { cosine } }))
      docs[at]!.embedding = undefined
    }
  }
}

function vectorOf({ embedding }: Document<any>): Float32Array {
  return embedding!.data as Float32Array
}

/** The cosine of two vectors of the length 1. */
function dot(one: Float32Array, other: Float32Array): number {
  let sum = 0
  for (let at = 0; at < one.length; at++) sum += one[at]! * other[at]!
  return sum
}
