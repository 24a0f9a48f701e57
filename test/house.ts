// The house keeps its order: who may import whom, what the front door loads, and that no suite passes by accident.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { transformSync } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Documents on disk are written as in messages: what keeps them, and the front door of documents that leads there, stand above the wires. */
const STORE = ['answers', 'content', 'environment', 'error', 'folder', 'layout', 'lmdb-file', 'records', 'slab', 'store', 'view'].map(
  (file) => `doc/store/${file}`,
)

/**
 * Rooms from the ground up. A file imports from its own room and from below: values, types, and what it loads on demand. What a Flow and a place can be
 * told stands below those who read it, the drawing and the configuration among them.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['telemetry'],
  ['stream'],
  ['doc'],
  ['request'],
  ['executor'],
  ['post'],
  ['graph'],
  ['handler'],
  ['wire'],
  ['doc/index', 'doc/memmap', ...STORE],
  ['client'],
  ['gateway'],
  ['flow/options'],
  ['place/heap', 'place/options'],
  ['draw'],
  ['config'],
  ['place'],
  ['notebook'],
  ['export'],
  ['flow'],
  ['daemon'],
  ['index', 'cli'],
]

const sources = readdirSync('lib', { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/').replace(/\.ts$/, ''))

interface Import {
  readonly to: string
  readonly lazy: boolean
}

/** @param types whether imports of types count, which are erased */
function importsOf(file: string, types: boolean): Import[] {
  const text = readFileSync(`lib/${file}.ts`, 'utf8')
  const code = types ? text.replace(/\/\*[\s\S]*?\*\//g, '') : transformSync(text, { loader: 'ts', format: 'esm', target: 'es2022' }).code
  const found = [...code.matchAll(/^(?:import|export)\b[^'"]*?\bfrom\s*["']([^"']+)["']|^import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm)]
  return found.map(([, from, bare, lazy]) => {
    const to = (from ?? bare ?? lazy)!
    return { to: to.startsWith('.') ? normalize(join(dirname(file), to)).replace(/\.js$/, '') : to, lazy: lazy !== undefined }
  })
}

/** What is loaded, and what is read. */
const graph = new Map(sources.map((file) => [file, importsOf(file, false)]))
const withTypes = new Map(sources.map((file) => [file, importsOf(file, true)]))
const room = (file: string): string => file.split('/')[0]!
const floor = (file: string): number => {
  const own = FLOORS.findIndex((rooms) => rooms.includes(file))
  return own === -1 ? FLOORS.findIndex((rooms) => rooms.includes(room(file))) : own
}

test('every room has its floor, and nothing but the front door is loose', () => {
  for (const file of sources) assert.ok(floor(file) >= 0, `${file} is in no room of the plan`)
  assert.equal(
    sources.filter((file) => !file.includes('/')),
    ['index'],
  )
})

test('imports look down, never up: of values, of types, and on demand', () => {
  for (const [file, imports] of withTypes) {
    for (const { to } of imports) {
      if (withTypes.has(to) && (room(to) !== room(file) || floor(to) > floor(file)) && to !== 'index')
        assert.ok(floor(to) < floor(file), `${file} imports ${to}, which is not below it`)
    }
  }
})

test('no circles, not of types either, but for documents that hold arrays of documents', () => {
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    if (done.has(file)) return
    const at = path.indexOf(file)
    if (at >= 0) {
      // One thing in three files: a document, what it is made from, and the arrays in it.
      if (!path.slice(at).every((inside) => ['doc/array', 'doc/document', 'doc/fields'].includes(inside)))
        assert.unreachable(`${path.slice(at).join(' → ')} → ${file}`)
      return
    }
    for (const { to, lazy } of withTypes.get(file) ?? []) if (!lazy && withTypes.has(to)) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of sources) visit(file, [])
})

/** Everything that is loaded with a file. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const { to, lazy } of graph.get(file) ?? []) if (!lazy) loadedWith(to, seen)
  return seen
}

test('the front doors load no module of Node and no heavy room', () => {
  for (const door of ['index', 'doc/index', 'stream/index']) {
    const outside = [...loadedWith(door)].filter((name) => !graph.has(name))
    for (const name of outside) assert.ok(['it-pipe', 'it-batch', 'it-parallel'].includes(name), `${door} loads ${name}`)
    // Of a wire, the names of its options alone.
    assert.not([...loadedWith(door)].some((name) => /^(graphql|cli|config|draw|wire)\//.test(name) && name !== 'wire/option-rules'))
  }
})

test('F11: what runs executors for others is loaded by its command alone, and by nothing that a Flow loads on demand either', () => {
  const reached = new Set<string>()
  const reach = (file: string): void => {
    if (reached.has(file)) return
    reached.add(file)
    for (const { to } of graph.get(file) ?? []) reach(to)
  }
  for (const door of ['index', 'client/index', 'gateway/index', 'place/worker']) reach(door)
  assert.ok(reached.has('place/daemon'))
  assert.equal(
    [...reached].filter((file) => room(file) === 'daemon'),
    [],
  )
  for (const [file, imports] of graph)
    for (const { to, lazy } of imports) if (room(to) === 'daemon' && room(file) !== 'daemon') assert.ok(file === 'cli/daemon' && lazy, `${file} loads ${to}`)
})

test('a command loads what it needs itself, and no other command', () => {
  const atOnce = (graph.get('cli/main') ?? []).filter(({ lazy }) => !lazy).map(({ to }) => to)
  assert.equal(
    atOnce.filter((file) => graph.has(file)),
    ['cli/explain', 'cli/usage'],
  )
})

/** What a file exports under a name of its own. */
const exportsOf = (file: string): string[] => {
  const text = readFileSync(`lib/${file}.ts`, 'utf8')
  return [...text.matchAll(/^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|const|let|interface|type|enum) (\w+)/gm)].map(
    ([, name]) => name!,
  )
}

/** The rooms that know nothing of wires, but for those whose files are siblings on purpose, as places are. */
const INNER = ['base', 'stream', 'doc', 'request', 'executor', 'post', 'graph', 'handler', 'flow']
/** One file for Node and one for the web, under the same names on purpose; and the check of a value that two rooms have, each in its own errors. */
const SIBLINGS = ['base/node', 'base/node-web', 'request/traced', 'request/traced-web']
const TWICE = ['string', 'documents']

test('a name stands in one file', () => {
  const where = new Map<string, string[]>()
  for (const file of sources) {
    if (!INNER.includes(room(file)) || SIBLINGS.includes(file)) continue
    for (const name of new Set(exportsOf(file))) where.set(name, [...(where.get(name) ?? []), file])
  }
  for (const [name, files] of where) assert.ok(files.length === 1 || TWICE.includes(name), `${name} stands in ${files.join(' and ')}`)
})

test('what people look for is the name of a file', () => {
  const names = sources.map((file) => file.split('/').at(-1)!)
  for (const word of [
    'retry',
    'timeout',
    'backoff',
    'batching',
    'replicas',
    'limits',
    'permits',
    'scope',
    'signal',
    'order',
    'route',
    'target',
    'status',
    'lineage',
    'graph',
    'join',
    'events',
    'options',
    'probe',
    'tls',
    'drain',
  ])
    assert.ok(
      names.some((name) => name.split('-').includes(word)),
      `no file says ${word}`,
    )
})

test('a handler around another takes it first, and then what it is told', () => {
  for (const [file, name] of [
    ['when', 'When'],
    ['batching', 'Batching'],
    ['retry', 'Retry'],
    ['limits', 'Limiter'],
    ['replicas', 'Replicas'],
    ['validation', 'Validation'],
    ['caching', 'Caching'],
  ] as const) {
    const text = readFileSync(`lib/handler/${file}.ts`, 'utf8')
    assert.match(text, new RegExp(`export class ${name} implements Handler`), file)
    assert.match(text, /constructor\(\s*(readonly )?(inner: Handler|handlers: readonly Handler\[\]),\s*(\{|settings)/, file)
  }
})

test('every wire has its two ends in the same places, under the same names', () => {
  for (const wire of ['grpc', 'http', 'websocket', 'graphql', 'nats']) {
    for (const file of ['options', 'client/connect', 'server/speaker']) assert.ok(sources.includes(`wire/${wire}/${file}`), `wire/${wire} has no ${file}`)
    assert.ok(exportsOf(`wire/${wire}/client/connect`).includes('connect'), wire)
    assert.ok(exportsOf(`wire/${wire}/server/speaker`).includes('speak'), wire)
  }
})

test('190: in the build, classes keep their names', () => {
  const built = readdirSync('dist', { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.js'))
    .map((file) => readFileSync(join('dist', file), 'utf8'))
    .join('\n')
  for (const name of ['Flow', 'Executor', 'Document', 'DocumentArray', 'Response', 'Request', 'Client', 'Gateway'])
    assert.not.match(built, new RegExp(`\\b(var|let|const) ${name} ?= ?class _${name}\\b`), `${name} is _${name} in the build`)
})

test('the packages that it stands on carry it', () => {
  const imported = new Set([...graph.values()].flat().map(({ to }) => to))
  for (const name of ['it-pipe', 'it-batch', 'it-parallel', 'abort-controller-x', 'graphql', 'graphql-yoga']) assert.ok(imported.has(name), name)
})

test('every entry of the package is there', async () => {
  const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const [entry, target] of Object.entries<any>(exports)) {
    for (const path of typeof target === 'string' ? [target] : [target.default]) assert.ok(existsSync(path), `${entry}: ${path}`)
    if (typeof target !== 'string') assert.ok(Object.keys(await import(`../${target.default}`)).length > 0, entry)
  }
  for (const path of Object.values<string>(bin)) assert.match(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

test('199: timers and clocks are those of base/clock, whatever is put in their place later', () => {
  for (const file of sources) {
    if (file === 'base/clock') continue
    const { code } = transformSync(readFileSync(`lib/${file}.ts`, 'utf8'), { loader: 'ts', format: 'esm', target: 'es2022', minifyWhitespace: true })
    const [, taken = ''] = /import{([^}]*)}from"[./]+(?:base\/)?clock\.js"/.exec(code) ?? []
    for (const [, name] of code.matchAll(/(?<![.\w$])(setTimeout|setInterval|clearTimeout|clearInterval|setImmediate|queueMicrotask)\(/g))
      assert.ok(taken.split(',').includes(name!), `${file} calls ${name}, which is not that of base/clock`)
    assert.not.match(code, /\b(performance\.now|process\.nextTick)\b/, file)
    // When something happened, and not how long it took: what Jina's routes, gRPC's deadlines and files say.
    if (!['request/request', 'graph/branches', 'wire/grpc/server/cancellation', 'doc/id', 'base/lock'].includes(file))
      assert.not.match(code, /\bDate\.now\b/, file)
  }
})

const suites = readdirSync('test', { recursive: true })
  .map((file) => join('test', String(file)))
  .filter((file) => file.endsWith('.ts') && /from 'uvu'/.test(readFileSync(file, 'utf8')))

test('every suite runs, and all of it', () => {
  for (const file of suites) {
    const text = readFileSync(file, 'utf8')
    assert.match(text, /^\w+\.run\(\)$/m, `${file} does not call .run()`)
    assert.not.match(text, /\.(only|skip)\(/, `${file} leaves tests out`)
  }
})

test('216: what is changed to see a test fail stands in lib/ as it does there', async () => {
  const { MUTATIONS } = await import(pathToFileURL(resolve('test/mutations.mjs')).href)
  for (const [file, line, , suite] of MUTATIONS as string[][]) {
    const times = readFileSync(file!, 'utf8').split(line!).length - 1
    assert.is(times, 1, `test/mutations.mjs names a text of ${file} that stands there ${times} times: give it the one of today, or take it out\n${line}`)
    assert.ok(existsSync(suite!), suite)
  }
})

test.run()
