import { type Call, Executor } from 'sluice'

const SIZE = 256

/** Embeds texts by their letters, three by three. It takes its time, as models do, and computes all of it. */
export class Embed extends Executor<{ rounds: number }> {
  static requests = { '/index': 'embed', '/search': 'embed' }

  embed({ docs }: Call) {
    for (const doc of docs) doc.embedding = this.#vectorOf(doc.text)
  }

  #vectorOf(text: string): Float32Array {
    const vector = new Float32Array(SIZE)
    const padded = `  ${text.toLowerCase()}  `
    for (let round = 0; round < this.config.rounds; round++)
      for (let at = 0; at < padded.length - 2; at++) {
        let hash = round
        for (let letter = 0; letter < 3; letter++) hash = (Math.imul(hash, 31) + padded.charCodeAt(at + letter)) >>> 0
        vector[hash % SIZE]! += 1
      }
    const length = Math.hypot(...vector) || 1
    return vector.map((value) => value / length)
  }
}
