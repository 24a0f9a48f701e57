// What it takes to load sluice. `--size` counts modules and bytes only, as a check in CI: those do not depend on the machine.
// Ends with 1 when something is over its bound.
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { median, quantile, shuffled } from './measure.js'
import { below, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const ROOT = resolve(import.meta.dirname, '..')
const sizeOnly = process.argv.includes('--size')
const must: Target[] = []

title('import', 'What does it cost to import sluice, in Node and in a browser?')

// ── modules ──────────────────────────────────────────────────────────────────────────────────────────────

function evaluate(code: string, flags: string[] = []): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', code], { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`A child process ended with ${status}: ${stderr}`)
  return stdout
}

/** The URLs of all modules that a script loads, but for Node's own: ES modules as a loader hook sees them, others from their cache. */
function modules(code: string): string[] {
  const hook = `import { writeSync } from 'node:fs'
    export async function load(url, context, next) { writeSync(1, url + '\\n'); return next(url, context) }`
  const start = `import { createRequire, register } from 'node:module'
    register(${JSON.stringify(asModule(hook))})
    const { cache } = createRequire('file:///')
    process.on('exit', () => { for (const path of Object.keys(cache)) console.log('file://' + path) })`
  const loaded = evaluate(code, ['--import', asModule(start)])
  return [...new Set(loaded.split('\n').filter((url) => url.startsWith('file:') && !url.endsWith('[eval1]')))]
}

const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`

const ENTRIES = ['sluice', 'sluice/doc', 'sluice/stream', 'sluice/graphql']
{
  const rows: string[][] = []
  for (const entry of ENTRIES) {
    let urls: string[]
    try {
      urls = modules(`import '${entry}'`)
    } catch {
      rows.push([entry, 'does not load', '', ''])
      if (entry === 'sluice') throw new Error('dist/ is not built: run node build.mjs')
      continue
    }
    const foreign = new Set(urls.filter((url) => url.includes('/node_modules/')).map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)![1]!))
    const own = urls.filter((url) => !url.includes('/node_modules/')).length
    rows.push([entry, String(urls.length), String(own), [...foreign].sort().slice(0, 8).join(', ') + (foreign.size > 8 ? ` and ${foreign.size - 8} more` : '')])
    // Each entry of the package more, such as the file that runs in a thread, parts what entries share into more files.
    if (entry === 'sluice') must.push(below("modules that import 'sluice' loads, outside node:", 44, urls.length))
  }
  say('## Modules in Node')
  table(['import', 'modules', 'our own', 'packages'], rows)
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────────────

if (!sizeOnly) {
  const PAIRS = quick ? 3 : 15
  const scripts = ['', "import 'sluice'", "import 'sluice/stream'"]
  const times = new Map<string, number[]>(scripts.map((script) => [script, []]))
  for (let pair = -1; pair < PAIRS; pair++) {
    for (const script of shuffled(scripts)) {
      const start = performance.now()
      evaluate(script)
      if (pair >= 0) times.get(script)!.push(performance.now() - start)
    }
  }
  const empty = times.get('')!
  const over = (script: string): number => median(times.get(script)!.map((time, pair) => time - empty[pair]!))
  say('## Time in Node', `Whole processes, ${PAIRS} of each in turns, wall time.`)
  table(
    ['script', 'median ms', 'quartiles', 'over an empty script'],
    scripts.map((script) => {
      const all = times.get(script)!
      return [
        script || '(empty)',
        figure(median(all)),
        `${figure(quantile(all, 0.25))}–${figure(quantile(all, 0.75))}`,
        script ? `${figure(over(script))} ms` : '',
      ]
    }),
  )
  must.push(below("import 'sluice' over an empty script", 50, over("import 'sluice'"), ' ms'))
}

// ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────

/** The core and nothing that opens on demand: what a page downloads before it does anything special. */
async function core(entry: string): Promise<number> {
  const onDemand: Plugin = {
    name: 'on-demand',
    setup: ({ onResolve }) => onResolve({ filter: /.*/ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined)),
  }
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: ROOT, sourcefile: 'entry.js' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    write: false,
    logLevel: 'error',
    plugins: [onDemand],
  })
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length
}

{
  const entry = "export { Document, Executor, Flow } from 'sluice'"
  const { outputFiles, metafile } = await build({
    stdin: { contents: entry, resolveDir: ROOT, sourcefile: 'entry.js' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    write: false,
    metafile: true,
    outdir: ROOT,
    absWorkingDir: ROOT,
    logLevel: 'error',
  })
  const packed = new Map(outputFiles.map(({ path, contents }) => [path.slice(ROOT.length + 1), gzipSync(contents, { level: 9 }).length]))
  const outputs = metafile.outputs
  const first = Object.keys(outputs).find((path) => outputs[path]!.entryPoint !== undefined && outputs[path]!.entryPoint!.endsWith('entry.js'))!
  const atOnce = new Set<string>()
  const follow = (path: string): void => {
    if (atOnce.has(path)) return
    atOnce.add(path)
    for (const { kind, path: next, external } of outputs[path]!.imports) if (kind === 'import-statement' && !external) follow(next)
  }
  follow(first)
  const total = [...atOnce].reduce((sum, path) => sum + packed.get(path)!, 0)
  const size = await core(entry)
  say(
    '## Bytes in a browser',
    `\`${entry}\`, bundled and minified by esbuild: **${size.toLocaleString('en-US')} B** min+gzip, with what opens on demand left out.`,
    `With splitting, chunks that are shared with what opens on demand hold some of that too, and ${total.toLocaleString('en-US')} B load at once:`,
  )
  table(
    ['chunk', 'loaded', 'minified', 'min+gzip', 'largest parts'],
    Object.keys(outputs)
      .sort((a, b) => Number(atOnce.has(b)) - Number(atOnce.has(a)) || packed.get(b)! - packed.get(a)!)
      .map((path) => {
        const parts = Object.entries(outputs[path]!.inputs)
          .sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
          .slice(0, 4)
        return [
          path === first ? 'entry' : path.replace(/-[A-Z0-9]{8}\.js$/, ''),
          atOnce.has(path) ? 'at once' : 'when needed',
          `${outputs[path]!.bytes.toLocaleString('en-US')} B`,
          `${packed.get(path)!.toLocaleString('en-US')} B`,
          parts.map(([name, { bytesInOutput }]) => `${name.replace(/^(dist|node_modules)\//, '')} ${bytesInOutput}`).join(', '),
        ]
      }),
  )
  must.push(below('core in a browser, min+gzip', 16_400, size, ' B'))
}

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
