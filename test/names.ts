// Names as people see them, in what was built: of classes, errors and their instances.
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { inspect } from 'node:util'
import { build, type Plugin } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ENTRIES = ['index', 'client/index', 'gateway/index', 'doc/index', 'stream/index', 'wire/graphql/index', 'telemetry/index', 'notebook/index']

const isClass = (value: unknown): value is new (...all: any[]) => object => typeof value === 'function' && /^class\b/.test(String(value))

/** Leaves out what is not loaded at once. */
const onDemand: Plugin = {
  name: 'on-demand',
  setup: ({ onResolve }) => onResolve({ filter: /.*/ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined)),
}

test('190: each class that the package exports has its own name', async () => {
  let seen = 0
  for (const entry of ENTRIES) {
    const module = (await import(resolve(`dist/${entry}.js`))) as Record<string, unknown>
    for (const [name, value] of Object.entries(module)) {
      if (!isClass(value)) continue
      assert.is(value.prototype.constructor.name, value.name)
      seen++
      // One class can go by two names.
      assert.is(module[value.name], value, `${name} of ${entry} is named ${value.name}`)
    }
  }
  assert.ok(seen > 15)
})

test('190: no class in what was built has a name that a bundler made', () => {
  const files = readdirSync('dist', { recursive: true, encoding: 'utf8' }).filter((file) => /\.js$/.test(file) && !file.includes('graphiql'))
  let seen = 0
  for (const file of files) {
    for (const [, outer, inner = outer!] of readFileSync(`dist/${file}`, 'utf8').matchAll(/^var (\w+) = class (?!extends)?(\w+)?/gm)) {
      seen++
      // Of another's code, which has been taken in.
      if (outer === 'URL2') continue
      assert.not.match(inner, /^_|\d$/, `${file}: ${outer}`)
    }
  }
  assert.ok(seen > 50)
})

test('190: what is looked at says what it is', async () => {
  const { Document, DocumentArray, Flow } = await import(resolve('dist/index.js'))
  assert.match(inspect(new Flow()), /^Flow /)
  assert.is(new Document().constructor.name, 'Document')
  assert.is(DocumentArray.of().constructor.name, 'DocumentArray')
})

test('190: errors have their names also where somebody made the code small', async () => {
  const contents = `export * from 'sluice'; import * as all from 'sluice'; export const names = Object.entries(all)`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    plugins: [onDemand],
    write: false,
    logLevel: 'error',
  })
  const { names } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString('base64')}`)
  let seen = 0
  for (const [name, value] of names as [string, unknown][]) {
    if (!isClass(value) || !name.endsWith('Error')) continue
    assert.not.equal(value.name, name)
    const error = new value(...(/^(Parse|Config)/.test(name) ? ['', {}] : ['', '', {}])) as Error
    assert.is(error.name, name)
    for (const said of [error.stack, String(error)]) assert.match(said ?? '', new RegExp(`^${name}`))
    seen++
  }
  assert.ok(seen > 8)
})

test('190: errors that somebody derives have the name of their own class', async () => {
  const { ExecutorError } = await import(resolve('dist/index.js'))
  class OutOfPaper extends (ExecutorError as typeof import('../lib/base/errors.js').ExecutorError) {}
  assert.is(new OutOfPaper('ERR_EXECUTOR', '', { executor: 'printer' }).name, 'OutOfPaper')
})

test.run()
