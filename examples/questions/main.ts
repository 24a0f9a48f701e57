// Questions, answered as with a language model: two searches side by side, joined into a prompt, and an answer that streams word by word.
//
//              ┌── meaning ────┐
//   question ──┤               ├── prompt ── answer ──▶ word by word
//              └── relatives ──┘
//
//   npx tsx examples/questions/main.ts ["What is a telescope?" …]
import { type Call, type Document, type DocumentInit, delta, type EachCall, Executor, each, Flow } from 'sluice'
import { type Synset, WordNet } from '../wordnet/wordnet.js'
import { complete } from './model.js'

interface Question {
  word: string
  meaning?: string
  relatives?: string[]
}

/** The last word of the question that is more than a letter. */
const asked = ({ docs }: Call<Question>): void => {
  for (const doc of docs)
    doc.tags.word =
      doc.text
        .match(/[\p{L}-]{2,}/gu)
        ?.at(-1)
        ?.toLowerCase() ?? ''
}

/** What WordNet knows, read once for both searches. */
const wordnet = read()

async function read(): Promise<DocumentInit<Synset>[]> {
  const all: DocumentInit<Synset>[] = []
  for await (const synset of new WordNet(Infinity)) all.push(synset)
  return all
}

class Meaning extends Executor {
  static requests = { '/': 'find' }
  readonly #meanings = new Map<string, string>()

  override async open() {
    for (const { text, tags } of await wordnet)
      for (const word of tags!.words!) if (!this.#meanings.has(word.toLowerCase())) this.#meanings.set(word.toLowerCase(), text!.split(';')[0]!)
  }

  find({ docs }: Call<Question>) {
    for (const { tags } of docs) {
      const meaning = this.#meanings.get(tags.word)
      if (meaning !== undefined) tags.meaning = meaning
    }
  }
}

class Relatives extends Executor {
  static requests = { '/': 'find' }

  async find({ docs }: Call<Question>) {
    for (const { tags } of docs) {
      const mention = new RegExp(`\\b${tags.word}\\b`)
      const found = (await wordnet).filter(({ text, tags: of }) => mention.test(text!) && !of!.words!.some((word) => mention.test(word.toLowerCase())))
      tags.relatives = found.slice(0, 3).map(({ tags: of }) => of!.words![0]!)
    }
  }
}

function prompt({ docs }: Call<Question>) {
  for (const doc of docs) {
    const { word, meaning, relatives = [] } = doc.tags
    doc.text = [`Word: ${word}`, meaning && `Meaning: ${meaning}`, relatives.length > 0 && `Relatives: ${relatives.join(', ')}`].filter(Boolean).join('\n')
  }
}

async function* answer(doc: Document, { signal }: EachCall) {
  const prompt = doc.text
  doc.text = ''
  for await (const text of complete(prompt, signal)) yield delta(doc, { text })
}

await using flow = await new Flow({ name: 'questions' })
  .add({ name: 'asked', uses: asked })
  .add({ name: 'meaning', needs: 'asked', uses: Meaning })
  .add({ name: 'relatives', needs: 'asked', uses: Relatives })
  // By id: one document has what both found.
  .add({ name: 'prompt', needs: ['meaning', 'relatives'], join: 'merge', uses: prompt })
  // Four calls of the model at once, and not more.
  .add({ name: 'answer', uses: each(answer, { concurrency: 4 }) })
  .open()

const questions = process.argv.length > 2 ? process.argv.slice(2) : ['What is a telescope?', 'Who is an entomologist?', 'What is a blorp?']
for (const question of questions) {
  process.stdout.write(`\n${question}\n  `)
  for await (const { partial, delta } of flow.post('/', question)) if (partial) for (const { text } of delta ?? []) process.stdout.write(text ?? '')
}
console.log()
