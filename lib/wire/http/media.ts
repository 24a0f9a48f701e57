/** How an answer is written. */
export type Format = 'json' | 'ndjson' | 'sse'

export const MEDIA: Record<Format, string> = { json: 'application/json', ndjson: 'application/x-ndjson', sse: 'text/event-stream' }

const CONTENT = /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)\s*(?:;(.*))?$/
const CHARSET = /(?:^|;)\s*charset\s*=\s*"?([^";\s]*)/i

/**
 * What a body is, by its content-type. Only types that browsers do not send to another origin unasked count: so no page can make a
 * browser do something here.
 */
export function contentOf(type: string | undefined): 'json' | 'ndjson' | undefined {
  if (type === 'application/json') return 'json'
  const [, media, rest] = CONTENT.exec(type ?? '') ?? []
  if (media === undefined || !/^utf-?8$/i.test(CHARSET.exec(rest ?? '')?.[1] ?? 'utf-8')) return undefined
  if (/^(application|text)\/(json|[^/]+\+json)$/i.test(media)) return 'json'
  return /^application\/(x-ndjson|ndjson|jsonl|x-jsonlines)$/i.test(media) ? 'ndjson' : undefined
}

/** How the client wants its answer, by what it accepts; `undefined` when it says nothing of what there is. */
export function formatOf(accept: string | undefined): Format | undefined {
  if (accept === undefined || accept === '*/*') return undefined
  if (accept === 'application/json') return 'json'
  let best: Format | undefined
  let weight = 0
  for (const { name, q } of weighted(accept)) {
    const format =
      name === 'application/json'
        ? 'json'
        : name === 'application/x-ndjson' || name === 'application/ndjson'
          ? 'ndjson'
          : name === 'text/event-stream'
            ? 'sse'
            : undefined
    if (format === undefined || q <= weight) continue
    best = format
    weight = q
  }
  return best
}

/** Which of these codings the client takes best, or none. Among equals, the first of `ours`. */
export function codingOf<C extends string>(accept: string | undefined, ours: readonly C[]): C | undefined {
  if (accept === undefined || accept === 'identity') return undefined
  const weights = new Map(weighted(accept).map(({ name, q }) => [name === 'x-gzip' ? 'gzip' : name, q]))
  let best: C | undefined
  let weight = 0
  for (const coding of ours) {
    const q = weights.get(coding) ?? weights.get('*') ?? 0
    if (q <= weight) continue
    best = coding
    weight = q
  }
  return (weights.get('identity') ?? 0) > weight ? undefined : best
}

function weighted(list: string): { name: string; q: number }[] {
  // Nobody who means well sends more.
  return list
    .split(',', 32)
    .map((item) => {
      const [name = '', ...parameters] = item.split(';')
      const given = parameters.find((parameter) => /^\s*q\s*=/i.test(parameter))
      const q = given === undefined ? 1 : Number(given.slice(given.indexOf('=') + 1))
      return { name: name.trim().toLowerCase(), q: q >= 0 && q <= 1 ? q : 0 }
    })
    .filter(({ name }) => name !== '')
}
