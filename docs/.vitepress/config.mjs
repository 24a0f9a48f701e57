import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { defineConfig } from 'vitepress'

const docs = resolve(import.meta.dirname, '..')

/** The pages, in their order. A page that is not there is left out; one that is not named here stands under More. */
const GROUPS = {
  Start: ['start', 'comparison', 'jina'],
  Guides: ['documents', 'executors', 'each', 'graphs', 'deltas', 'failures', 'resume', 'stores', 'cache', 'schemas', 'types', 'testing'],
  'Serving and clients': ['serving', 'clients', 'graphql', 'mcp', 'ai', 'frameworks', 'notebooks', 'proxy'],
  Running: ['places', 'runtimes', 'daemon', 'nats', 'deploy', 'operations', 'live', 'telemetry'],
  Reference: ['errors', 'yaml', 'guarantees', 'protocol', 'performance'],
  'The project': ['SECURITY', 'CONTRIBUTING', 'house'],
}

const pages = readdirSync(docs)
  .filter((file) => file.endsWith('.md') && file !== 'index.md')
  .map((file) => file.slice(0, -3))
const named = Object.values(GROUPS).flat()
const others = pages.filter((page) => !named.includes(page))

function titleOf(file) {
  return /^# (.+)$/m.exec(readFileSync(join(docs, `${file}.md`), 'utf8'))?.[1].replaceAll('`', '') ?? file
}

const item = (page) => ({ text: titleOf(page), link: `/${page}` })
const group = (text, list, more = {}) => ({ text, items: list.filter((page) => pages.includes(page)).map(item), ...more })

/** What TypeDoc made: an entry point of the package, and its kinds and names below it. */
function api(folder = 'api') {
  const path = join(docs, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .sort((one, other) => order(one.name) - order(other.name) || (one.name < other.name ? -1 : 1))
    .map(({ name }) => {
      const below = `${folder}/${name}`
      const isKind = KINDS.includes(name)
      const names = readdirSync(join(docs, below)).filter((file) => file.endsWith('.md') && file !== 'index.md')
      return {
        text: isKind ? name.replace('-', ' ') : below.slice('api/'.length),
        ...(isKind ? {} : { link: `/${below}/` }),
        collapsed: folder !== 'api',
        items: [...names.map((file) => ({ text: file.slice(0, -3), link: `/${below}/${file.slice(0, -3)}` })), ...api(below)],
      }
    })
}

const KINDS = ['classes', 'functions', 'variables', 'interfaces', 'type-aliases']
const order = (name) => KINDS.indexOf(name) + (KINDS.includes(name) ? 0 : KINDS.length + 1)

/** As GitHub makes them, so that a link to a heading holds in the repository and on the site. */
const slugify = (text) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-')

export default defineConfig({
  title: 'sluice',
  description: 'Stream documents through a graph of executors, with a bounded number in flight.',
  lang: 'en',
  head: [['meta', { name: 'theme-color', content: '#0b7285' }]],
  markdown: {
    anchor: { slugify },
    headers: { slugify, level: [2, 3] },
    config(md) {
      // What stands in code is code, also `${{ ENV.NAME }}`.
      const render = md.renderer.rules.code_inline
      md.renderer.rules.code_inline = (tokens, at, ...rest) => {
        tokens[at].attrSet('v-pre', '')
        return render(tokens, at, ...rest)
      }
    },
  },
  themeConfig: {
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Guides', link: '/documents' },
      { text: 'From Jina', link: '/jina' },
      { text: 'API', link: '/api/' },
      { text: 'Errors', link: '/errors' },
    ],
    sidebar: {
      '/api/': [{ text: 'API', link: '/api/', items: api() }],
      '/': [
        ...Object.entries(GROUPS).map(([text, list]) => group(text, list)),
        { text: 'API', link: '/api/' },
        ...(others.length > 0 ? [group('More', others)] : []),
      ],
    },
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          // Guides answer questions; names of the API are found by their title.
          searchOptions: {
            fuzzy: 0.2,
            prefix: true,
            boost: { title: 4, text: 2, titles: 1 },
            boostDocument: (id) => (id.includes('/api/') ? 0.3 : 1),
          },
        },
      },
    },
    docFooter: { prev: 'Before', next: 'Next' },
  },
})
