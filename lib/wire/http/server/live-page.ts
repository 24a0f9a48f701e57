import { node } from '../../../base/node.js'
import { shortage } from '../../../base/shortage.js'
import type { Headers } from './exchange.js'

/** As `lib/wire/http/live/build.mjs` writes it: the page in one piece, and the digests of the script and the style in it. */
interface Built {
  readonly html: string
  readonly script: string
  readonly style: string
}

interface Page {
  readonly body: string
  readonly headers: Headers
}

/** Where the page is, seen from here: from a room of what was built, and from the source. */
const FILES = ['../wire/http/live/live.json', '../../../../dist/wire/http/live/live.json']

let built: Promise<Page> | undefined

/** The page of `/ui`, with nothing in it of what it shows: that, it asks for. */
export function livePage(): Promise<Page> {
  built ??= read().catch((error) => {
    built = undefined
    throw error
  })
  return built
}

/** Nothing runs in it but its own script, and it asks nobody but its own server. */
function policy(script: string, style: string): string {
  return `default-src 'none'; script-src '${script}'; style-src '${style}'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
}

function pageOf({ html, script, style }: Built): Page {
  const headers = { 'content-security-policy': policy(script, style), 'referrer-policy': 'no-referrer', 'content-type': 'text/html; charset=utf-8' }
  return { body: html, headers }
}

async function read(): Promise<Page> {
  const { readFile } = await node('fs/promises')
  // In a variable, as a bundler would take `new URL('…', import.meta.url)` for a file of its own.
  const here = import.meta.url
  for (const file of FILES) {
    try {
      return pageOf(JSON.parse(await readFile(new URL(file, here), 'utf8')) as Built)
    } catch (error) {
      // It is read again when somebody asks again.
      if (shortage(error) !== undefined) throw error
    }
  }
  return { body: MISSING, headers: { 'content-security-policy': "default-src 'none'", 'content-type': 'text/html; charset=utf-8' } }
}

const MISSING = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>sluice</title></head>
<body>
<h1>The live page is not built</h1>
<p>This server runs from a source checkout. <code>node build.mjs</code> builds the page.</p>
</body>
</html>
`
