import { node } from '../../../base/node.js'
import { shortage } from '../../../base/shortage.js'
import { COLORS, GRAPHIQL_COLORS } from '../../design.js'
import type { PageBeside } from '../options.js'

interface Asset {
  readonly type: string
  /** `undefined` when it was not built. */
  readonly body: Promise<Uint8Array | undefined>
}

const TYPES: Record<string, string> = { 'graphiql.js': 'text/javascript; charset=utf-8', 'graphiql.css': 'text/css; charset=utf-8' }

/** Nothing comes from, goes to, or frames the page but its own server. GraphiQL sets styles from code. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** To be copied: the server writes a response's length into what it is given. */
const HEADERS = { 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' }

type FetchAPI = { readonly Response: typeof globalThis.Response }

/** GraphiQL, from files of this package: `build.mjs` bundles it, and no content network is asked. */
export class Page {
  readonly #assets = new Map<string, Asset>()
  readonly #html: string

  /**
   * @param path where it is
   * @param pages others of the same server
   */
  constructor(path: string, pages: readonly PageBeside[] = []) {
    // From where it is, as all of them may be below a path that a proxy takes away.
    const root = '../'.repeat(path.split('/').length - 2) || './'
    this.#html = html(pages.map(({ path, name }) => `<a href="${root}${path.slice(1)}">${name}</a>`).join(' · '))
  }

  /** The page for a browser that opens the path, or one of its two files; nothing for what is a GraphQL request. */
  async answer(query: string, headers: Headers, { Response }: FetchAPI): Promise<globalThis.Response | undefined> {
    const parameters = new URLSearchParams(query)
    const name = parameters.has('query') ? null : parameters.get('asset')
    if (name === null) {
      // Of a link with an operation in it, too: the page has it then, and does not run it unasked. Clients do not ask for pages.
      if (!headers.get('accept')?.includes('text/html')) return undefined
      const built = (await this.#asset('graphiql.js').body) !== undefined
      return new Response(built ? this.#html : MISSING, { headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' } })
    }
    const asset = Object.hasOwn(TYPES, name) ? this.#asset(name) : undefined
    const body = await asset?.body
    if (asset === undefined || body === undefined) return new Response('No such asset\n', { status: 404, headers: { ...HEADERS } })
    return new Response(body as Uint8Array<ArrayBuffer>, { headers: { ...HEADERS, 'content-type': asset.type, 'cache-control': 'max-age=3600' } })
  }

  #asset(name: string): Asset {
    let asset = this.#assets.get(name)
    if (asset === undefined) {
      asset = { type: TYPES[name]!, body: read(name) }
      this.#assets.set(name, asset)
      asset.body.catch(() => this.#assets.delete(name))
    }
    return asset
  }
}

/** Where the files of the page are, seen from here: from the source, and from a room of what was built. */
const FOLDERS = ['../graphiql/', '../wire/graphql/graphiql/']

/** @throws what is wrong for a moment, as where no file can be opened: it is read again when somebody asks again */
async function read(name: string): Promise<Uint8Array | undefined> {
  // In a variable, as a bundler would take `new URL('…', import.meta.url)` for a file of its own.
  const here = import.meta.url
  for (const folder of FOLDERS) {
    try {
      const { readFile } = await node('fs/promises')
      return await readFile(new URL(folder + name, here))
    } catch (error) {
      if (shortage(error) !== undefined) throw error
    }
  }
  return undefined
}

const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'

/** With the shapes of the live page (`live/page.css`). */
const FRAME = `html, body { height: 100%; margin: 0 }
body { display: flex; flex-direction: column; background: var(--page); color: var(--text); font: 15px/1.45 ${SANS} }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
header { display: flex; flex-wrap: wrap; gap: .25rem 2rem; align-items: baseline; justify-content: space-between; padding: .6rem 1rem; border-bottom: 1px solid var(--border) }
h1, header p { margin: 0; font-size: 1.35rem }
header p { font-size: 1rem }
header a { color: var(--accent) }
main { flex: 1; min-height: 0 }
body .graphiql-container, body .CodeMirror-info, body .CodeMirror-lint-tooltip, body [data-reach-dialog-content] { --font-family: ${SANS}; --font-family-mono: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; --border-radius-8: 10px; --border-radius-12: 10px }
`

/** Its files are named from where it is, which may be below a path that a proxy takes away. */
const html = (links: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphiQL · sluice</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="?asset=graphiql.css">
<style>${COLORS}${GRAPHIQL_COLORS}${FRAME}</style>
</head>
<body>
<header><h1>GraphQL</h1><p>${links}</p></header>
<main id="graphiql"></main>
<script src="?asset=graphiql.js"></script>
</body>
</html>
`

const MISSING = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>GraphiQL · sluice</title></head>
<body>
<h1>GraphiQL is not built</h1>
<p>This server runs from a source checkout. <code>node build.mjs</code> builds the page; GraphQL itself works at this address, by POST.</p>
</body>
</html>
`
