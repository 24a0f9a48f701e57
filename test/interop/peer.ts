import { setTimeout as pause } from 'node:timers/promises'
import { delta } from '../../lib/executor/delta.js'
import { type Call, Executor } from '../../lib/executor/executor.js'
import { document, picture } from './documents.js'

/** Thrown by `/fail`: Python names the class. */
export class ValueError extends Error {
  override name = 'ValueError'
}

/** Answers as the Executor in flow.py does. */
export class Peer extends Executor {
  static requests = {
    '/echo': 'echo',
    '/upper': 'upper',
    '/trail': 'trail',
    '/pictures': 'pictures',
    '/make': 'make',
    '/fail': 'fail',
    '/late': 'late',
    '/tokens': 'tokens',
    '/grow': 'grow',
  }

  echo() {}

  upper({ docs }: Call) {
    for (const doc of docs) doc.text = doc.text.toUpperCase()
  }

  trail({ docs }: Call) {
    for (const doc of docs) doc.tags.trail = `${doc.tags.trail ?? ''}/${this.name}`
  }

  /** What arrived, as this side sees it. */
  pictures({ docs, parameters }: Call) {
    return { pictures: docs.map(picture), parameters }
  }

  make({ parameters }: Call) {
    return (parameters.pictures as object[]).map(document)
  }

  fail({ docs }: Call) {
    throw new ValueError(`no ${docs[0]?.text}`)
  }

  async late({ docs }: Call<{ ms?: number }>) {
    await pause(Math.max(...docs.map((doc) => doc.tags.ms ?? 0)))
  }

  async *grow({ docs }: Call) {
    for (const doc of docs) for (const letter of ['a', 'b', 'c']) yield delta(doc, { text: letter, tags: { letter } })
  }

  async *tokens({ docs }: Call) {
    for (const doc of docs) for (const token of doc.text.split(' ')) yield { text: token }
  }
}
