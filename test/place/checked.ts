// An executor that says what its documents are. Apart from the others, whose workers are begun by the dozen: what tells it weighs more than all that they load.
import { z } from 'zod'
import { type Call, Executor } from '../../lib/index.js'

export class Checked extends Executor {
  static requests = { '/check': 'check' }
  static input = { '/check': { tags: z.object({ n: z.number() }), parameters: z.object({ top: z.number().default(5) }) } }
  static output = { '/check': { tags: z.object({ double: z.number() }) } }
  check({ docs, parameters }: Call) {
    for (const doc of docs) doc.tags = { double: Number(doc.tags['n']) * 2, top: parameters['top'] }
  }
}
