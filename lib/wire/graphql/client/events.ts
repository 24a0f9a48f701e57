import { linesOf } from '../../http/lines.js'
import { tooLarge } from '../../http/refusal.js'

/**
 * Server-sent events, as they come.
 * @throws HttpRefusal with status 413 for one of more characters than the limit
 */
export async function* events(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<{ event: string; data: string }> {
  let event: string | undefined
  let data: string[] = []
  let size = 0
  for await (const text of linesOf(chunks, limit)) {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    size += line.length
    if (size > limit) throw tooLarge(limit)
    if (line === '') {
      if (data.length > 0 || event !== undefined) yield { event: event ?? 'message', data: data.join('\n') }
      event = undefined
      data = []
      size = 0
      continue
    }
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'data') data.push(value)
    else if (name === 'event') event = value
  }
}
