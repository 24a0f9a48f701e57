import { tooMany, tooManyDocuments } from '../documents.js'
import { ProtoError } from './error.js'
import { Grown } from './ndarray.js'

/** The most documents of a message, chunks and matches included: 2,097,152. Two bytes can be a document, which takes fifty times that here. */
const MAX_DOCUMENTS = 1 << 21

/** What is counted over all documents of a message. */
export class Counted {
  documents = 0
  readonly grown = new Grown()

  constructor(readonly most: number = MAX_DOCUMENTS) {}

  /** @throws ProtoError for more documents than there may be */
  check(documents: number): void {
    if (documents > this.most) throw new ProtoError(tooManyDocuments(this.most), { cause: tooMany(this.most) })
  }
}
