// Builds dist/: a file per entry of the package, what they share in chunks beside them, and what opens on demand in chunks of its own.
//   node build.mjs          everything, with declarations
//   node build.mjs --quick  JavaScript only: enough to run
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'
import { buildGraphiQL } from './lib/wire/graphql/graphiql/build.mjs'
import { licenses } from './lib/wire/graphql/licenses.mjs'
import { yogaInside } from './lib/wire/graphql/yoga/build.mjs'
import { buildLivePage } from './lib/wire/http/live/build.mjs'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const quick = process.argv.includes('--quick')
const entries = [
  'index',
  'client/index',
  'gateway/index',
  'doc/index',
  'stream/index',
  'wire/graphql/index',
  'telemetry/index',
  'cli/main',
  'cli/sluice',
  'place/worker',
  'notebook/index',
]
// What is another file in a page: the `imports` of package.json choose.
const doors = {
  '#host': ['base/node.ts', 'base/node-web.ts'],
  '#traced': ['request/traced.ts', 'request/traced-web.ts'],
  '#streams': ['wire/graphql/yoga/streams.mjs', 'wire/graphql/yoga/streams-web.mjs'],
  '#grpc': ['@grpc/grpc-js', 'wire/grpc/absent.mjs'],
}

if (!quick) rmSync('dist', { recursive: true, force: true })
else rmSync('dist/rooms', { recursive: true, force: true })
const { metafile, outputFiles } = await build({
  entryPoints: [
    ...entries.map((entry) => `lib/${entry}.ts`),
    ...Object.values(doors).flatMap((files) => files.filter((file) => !file.startsWith('@')).map((file) => `lib/${file}`)),
  ],
  outdir: 'dist',
  outbase: 'lib',
  bundle: true,
  splitting: true,
  plugins: [doorsOutside(), yogaInside],
  mainFields: ['module', 'main'],
  metafile: true,
  chunkNames: 'rooms/[name]-[hash]',
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  external: ['node:*'],
  define: { SLUICE_VERSION: JSON.stringify(version) },
  write: false,
  logLevel: 'warning',
})
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, trueNames(text))
}
writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licenses(Object.keys(metafile.inputs)))
for (const file of ['main', 'sluice']) chmodSync(`dist/cli/${file}.js`, 0o755)
await buildGraphiQL('dist/wire/graphql/graphiql')
await buildLivePage('dist/wire/http/live')
await writeSchema('dist/flow.schema.json')
if (!quick) {
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
  execFileSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
  nameDisposables()
}

/** What can be disposed of compiles, too, where neither a project's `lib` nor the types of Node bring the words for it. */
function nameDisposables() {
  for (const name of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
    const file = join('dist', name)
    if (!name.endsWith('.d.ts')) continue
    const text = readFileSync(file, 'utf8')
    if (/\b(Async)?Disposable\b|\b(asyncD|d)ispose\b/.test(text)) writeFileSync(file, `/// <reference lib="esnext.disposable" />\n${text}`)
  }
}

/** A class that names itself has become `var Flow = class _Flow`, and what is printed of it would say so. Inside, either name is the class. */
function trueNames(text) {
  const renamed = [...text.matchAll(/^(?:var|let|const) (\w+) = class _\1\b/gm)].map(([, name]) => name)
  return renamed.reduce((text, name) => text.replace(new RegExp(`(?<![\\w$.#])_${name}\\b`, 'g'), name), text)
}

/** A plugin of esbuild that leaves the choice between doors to whoever imports the package. */
function doorsOutside() {
  const nameOf = (path) => path.replace(/\.ts$/, '.js')
  const names = new Map(Object.entries(doors).map(([name, [file]]) => [file.startsWith('@') ? file : nameOf(resolve('lib', file)), name]))
  return {
    name: 'doors-outside',
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\.\.?\/|^@grpc\// }, ({ path, resolveDir, kind }) => {
        const name = kind === 'entry-point' ? undefined : names.get(path.startsWith('.') ? resolve(resolveDir, path) : path)
        return name && { path: name, external: true, sideEffects: false }
      }),
  }
}

/** The JSON Schema of a Flow's YAML, as the loader's own tables say it. */
async function writeSchema(file) {
  const { outputFiles } = await build({
    entryPoints: ['lib/config/schema.ts'],
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    external: ['node:*'],
    packages: 'external',
    write: false,
  })
  const { flowSchema } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`)
  writeFileSync(file, JSON.stringify(flowSchema()))
}
