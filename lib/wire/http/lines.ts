import { tooLarge } from './refusal.js'

/**
 * Lines of UTF-8, as they come. A chunk is looked at once, however many a line takes; what has no line's end at the end is no line.
 * @throws HttpRefusal with status 413 for a line of more characters than the limit
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let parts: string[] = []
  let length = 0
  const keep = (part: string): void => {
    if (part === '') return
    length += part.length
    if (length > limit) throw tooLarge(limit)
    parts.push(part)
  }
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true })
    let at = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', at)) {
      keep(text.slice(at, end))
      at = end + 1
      const line = parts.join('')
      parts = []
      length = 0
      yield line
    }
    keep(text.slice(at))
  }
}

const whole = /* @__PURE__ */ new TextDecoder()

/** The same of a body that is there. */
export function linesIn(body: Uint8Array): string[] {
  return whole.decode(body).split('\n').slice(0, -1)
}
