import { tooLarge } from '../http/refusal.js'

/**
 * Server-sent events, as they come.
 * @throws Refusal with status 413 for one of more characters than the limit
 */
export async function* events(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split(/\r?\n\r?\n/)
    rest = blocks.pop()!
    if (rest.length > limit) throw tooLarge(limit)
    for (const block of blocks) {
      const fields = block.split(/\r?\n/).map((line) => /^([^:]*):? ?(.*)$/.exec(line)!)
      const all = (name: string): string[] => fields.filter((field) => field[1] === name).map((field) => field[2]!)
      const data = all('data')
      if (data.length > 0 || all('event').length > 0) yield { event: all('event').at(-1) ?? 'message', data: data.join('\n') }
    }
  }
}
