// The site that was built: what its search finds, and that each public name is in it.
//   npm run docs && node .ci/site.mjs
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = resolve(import.meta.dirname, '..')
const site = join(root, 'docs/.vitepress/dist')
const require = createRequire(join(root, 'docs/package.json'))
const { default: MiniSearch } = await import(pathToFileURL(require.resolve('minisearch')).href)

/** What people ask, and the pages, one of which must be among the first three. */
const QUESTIONS = {
  'stop it': ['failures', 'serving', 'operations'],
  'cancel from a browser': ['clients'],
  'send an image': ['documents'],
  'send a tensor': ['documents'],
  'limit calls a minute': ['graphs', 'each'],
  'limit concurrency': ['graphs', 'each'],
  retry: ['failures', 'each'],
  'what happens when an executor throws': ['failures'],
  'which documents failed': ['failures', 'each'],
  'resume after a crash': ['resume', 'failures'],
  cache: ['cache'],
  'read a CSV': ['documents'],
  'read a folder': ['documents'],
  'large files': ['documents'],
  progress: ['failures'],
  'order of results': ['failures'],
  'one array at the end': ['failures'],
  parameters: ['executors', 'schemas', 'jina'],
  'several endpoints': ['executors'],
  'join branches': ['graphs'],
  condition: ['graphs'],
  replicas: ['graphs'],
  shards: ['graphs', 'yaml'],
  threads: ['places', 'graphs'],
  Docker: ['places', 'runtimes', 'deploy'],
  Kubernetes: ['deploy'],
  queue: ['nats', 'comparison', 'guarantees'],
  TLS: ['serving', 'protocol', 'errors', 'jina'],
  token: ['serving'],
  CORS: ['serving', 'clients'],
  'GraphQL with Apollo': ['graphql'],
  subscription: ['graphql'],
  'tools for an agent': ['mcp'],
  MCP: ['mcp'],
  'stream tokens': ['deltas', 'start'],
  'Next.js': ['frameworks'],
  Hono: ['frameworks'],
  'Python executor': ['jina'],
  'Python client': ['jina', 'clients', 'protocol'],
  YAML: ['yaml'],
  metrics: ['telemetry', 'operations'],
  'testing an executor': ['testing'],
}

const failures = []
const assets = join(site, 'assets/chunks')
const file = readdirSync(assets).find((name) => name.startsWith('@localSearchIndexroot'))
const { default: json } = await import(pathToFileURL(join(assets, file)).href)
// As the page reads it: VitePress' own settings, and those of docs/.vitepress/config.mjs.
const { default: config } = await import(pathToFileURL(join(root, 'docs/.vitepress/config.mjs')).href)
const index = MiniSearch.loadJSON(json, {
  fields: ['title', 'titles', 'text'],
  storeFields: ['title', 'titles'],
  searchOptions: { fuzzy: 0.2, prefix: true, ...config.themeConfig.search.options.miniSearch.searchOptions },
})
let asked = 0
for (const [question, pages] of Object.entries(QUESTIONS)) {
  const there = pages.filter((page) => existsSync(join(root, `docs/${page}.md`)))
  // A page that is yet to come.
  if (there.length === 0) continue
  asked++
  const hits = index.search(question).slice(0, 3)
  if (!hits.some(({ id }) => there.some((page) => id.split('#')[0] === `/${page}.html` || id.split('#')[0] === `/${page}`)))
    failures.push(`"${question}" finds ${hits.map(({ id }) => id).join(', ') || 'nothing'}, and not ${there.join(' or ')}`)
}

// What is called otherwise in Jina is found under its name there. Of what several pages are about, those that say more may come first.
const COMMON = ['dry_run', 'grpc_metadata', 'exec_endpoint', 'request_id', 'read_only', 'grpc_data_requests']
const jina = new Set([...readFileSync(join(root, 'docs/jina.md'), 'utf8').matchAll(/`(?:\w+\.)?([a-z0-9]+(?:_[a-z0-9]+)+)[`(=]/g)].map(([, name]) => name))
for (const name of jina) {
  const hits = index.search(name).slice(0, 5)
  if (!COMMON.includes(name) && !hits.some(({ id }) => /^\/(jina|yaml)(\.html)?(#|$)/.test(id)))
    failures.push(`"${name}" finds ${hits.map(({ id }) => id).join(', ') || 'nothing'}, and not jina or yaml`)
}
if (jina.size < 100) failures.push(`Only ${jina.size} names of Jina were looked for`)

const text = readdirSync(join(root, 'docs/api'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => [name.replaceAll('\\', '/'), readFileSync(join(root, 'docs/api', name), 'utf8')])
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
let names = 0
for (const [path, { types } = {}] of Object.entries(own.exports)) {
  if (types === undefined) continue
  const source = readFileSync(join(root, types.replace('./dist', 'lib').replace('.d.ts', '.ts')), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const pages = text.filter(([name]) => name.startsWith(`${path.replace('.', own.name)}/`))
  const all = pages.map(([, page]) => page).join('\n')
  for (const [, list] of source.matchAll(/export (?:type )?\{([^}]*)\}/g))
    for (const name of list.split(',').map((part) =>
      part
        .trim()
        .replace(/^type /, '')
        .split(' as ')
        .at(-1),
    )) {
      if (name === '') continue
      names++
      if (!new RegExp(`\\b${name}\\b`).test(all)) failures.push(`${name} of ${path} is not in the reference`)
    }
}

if (failures.length > 0) throw new Error(`The site:\n  ${failures.join('\n  ')}`)
if (asked < 35 || names < 100) throw new Error(`Only ${asked} questions and ${names} names were looked for`)
console.log(`The search answers ${asked} questions, and the reference has ${names} public names.`)
