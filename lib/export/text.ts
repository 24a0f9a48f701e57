import type { Node, Scalar } from 'yaml'
import { needsQuotes, withoutBreaks } from '../config/write.js'

/** A value, and what is said of it to who reads the file. */
class Noted {
  constructor(
    readonly text: string,
    readonly value: unknown,
  ) {}
}

/** A text of several lines that is to be read as such. */
class Lines {
  constructor(readonly text: string) {}
}

/** Says something of a value, in a comment above it. */
export function noted(text: string, value: unknown): unknown {
  return value === undefined ? undefined : new Noted(text, value)
}

export function lines(text: string): unknown {
  return new Lines(text)
}

/**
 * Writes documents of YAML: what is undefined is left out, and texts are texts to every reader.
 * @param head what stands above all of them, in a comment
 */
export async function write(documents: readonly object[], head: string): Promise<string> {
  const { Document, Pair, Scalar, YAMLMap, YAMLSeq } = await import('yaml')
  const scalar = (value: unknown): Scalar => {
    const node = new Scalar(value)
    // Whatever is in it, and of several lines most of all: as it stands in quotes, nothing of it is layout.
    if (typeof value === 'string' && (needsQuotes(value) || /[\n\\]|\s$/.test(value))) node.type = 'QUOTE_DOUBLE'
    return node
  }
  const make = (value: unknown): Node => {
    if (value instanceof Lines) {
      const node = new Scalar(value.text)
      if (!/[^\P{C}\n]|[\u2028\u2029]/u.test(value.text)) node.type = 'BLOCK_LITERAL'
      return node
    }
    if (Array.isArray(value)) {
      const list = new YAMLSeq<Node>()
      for (const item of value) if (item !== undefined) list.items.push(made(item))
      return list
    }
    if (typeof value !== 'object' || value === null) return scalar(value)
    const map = new YAMLMap<Scalar, Node>()
    for (const [name, given] of Object.entries(value)) {
      if (given === undefined) continue
      const key = scalar(name)
      if (given instanceof Noted) key.commentBefore = comment(given.text)
      map.items.push(new Pair(key, make(given instanceof Noted ? given.value : given)))
    }
    return map
  }
  const made = (value: unknown): Node => {
    if (!(value instanceof Noted)) return make(value)
    const node = make(value.value)
    node.commentBefore = comment(value.text)
    return node
  }
  const texts = documents.map((one) => {
    const document = new Document()
    document.contents = make(one) as typeof document.contents
    return withoutBreaks(document.toString({ lineWidth: 0 }))
  })
  return `${comment(head).replace(/^/gm, '#')}\n${texts.join('---\n')}`
}

/** Each line of it begins so, whatever is in it. */
function comment(text: string): string {
  return text
    .split(/[\r\n\u0085\u2028\u2029]+/)
    .map((line) => ` ${line.replaceAll(/\p{C}/gu, ' ')}`)
    .join('\n')
}
