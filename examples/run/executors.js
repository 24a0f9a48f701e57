import { Executor } from 'sluice'

/** Takes mail addresses out of texts. */
export class Redact extends Executor {
  static requests = { '/label': 'redact' }

  redact({ docs }) {
    for (const doc of docs) doc.text = doc.text.replace(/\S+@[\w-]+(\.[\w-]+)+/g, this.config.mask)
  }
}

/** Tags documents with the topic whose words they use most. */
export class Topic extends Executor {
  static requests = { '/label': 'label' }

  label({ docs }) {
    for (const doc of docs) {
      const words = doc.text.toLowerCase().match(/\w+/g) ?? []
      const hits = Object.entries(this.config.topics).map(([topic, terms]) => [topic, words.filter((word) => terms.includes(word)).length])
      const [topic, count] = hits.sort(([, a], [, b]) => b - a)[0]
      doc.tags.topic = count > 0 ? topic : 'other'
    }
  }
}

/** A function is an Executor, too. */
export function urgency({ docs }) {
  for (const doc of docs) doc.tags.urgent = /!|\burgent|\btoday\b/i.test(doc.text)
}
