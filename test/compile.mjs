// Compiles lib/ and test/ file by file into .compiled/, where the suites run as plain JavaScript: tsx would do the same work again for each process.
// What stands beside them (fixtures, scripts) is copied, package.json and dist/ too, so that paths relative to a file lead where they did.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { build } from 'esbuild'
import { yogaInside } from '../lib/wire/graphql/yoga/build.mjs'

export const COMPILED = '.compiled'

/** @param yogaIsInside whether graphql-yoga is taken as the package has it: other runtimes have their known failures with it as it comes */
export async function compile({ yogaIsInside = true } = {}) {
  const files = ['lib', 'test'].flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => join(folder, String(file))))
  const isCode = (file) => file.endsWith('.ts') && !file.endsWith('.d.ts')
  const { outputFiles } = await build({
    entryPoints: files.filter(isCode),
    outdir: COMPILED,
    outbase: '.',
    bundle: false,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    keepNames: true,
    sourcemap: 'external',
    sourcesContent: false,
    write: false,
    logLevel: 'warning',
  })
  const kept = new Set(outputFiles.map(({ path }) => path))
  for (const { path, contents } of outputFiles)
    if (path.endsWith('.map')) write(mapOf(relative(resolve(COMPILED), path)), contents)
    else if (path.startsWith(resolve(COMPILED, 'test'))) write(path, Buffer.from(withWsInstalled(Buffer.from(contents).toString(), path)))
    else write(path, yogaIsInside && path === resolve(ASKS_YOGA) ? Buffer.from(withYogaInside(Buffer.from(contents).toString())) : contents)
  for (const file of files) {
    if (isCode(file) || statSync(file).isDirectory()) continue
    const path = resolve(COMPILED, file)
    kept.add(path)
    write(path, readFileSync(file))
  }
  for (const folder of ['lib', 'test'])
    for (const file of readdirSync(join(COMPILED, folder), { recursive: true })) {
      const path = resolve(COMPILED, folder, String(file))
      if (!kept.has(path) && !statSync(path).isDirectory()) rmSync(path)
    }
  if (yogaIsInside) write(resolve(YOGA), await yoga())
  cpSync('package.json', join(COMPILED, 'package.json'))
  if (!existsSync(join(COMPILED, 'dist'))) symlinkSync(resolve('dist'), join(COMPILED, 'dist'), 'junction')
}

/** The one module that loads graphql-yoga, and what it gets in its place. */
const ASKS_YOGA = join(COMPILED, 'lib/wire/graphql/server/fetch.js')
const YOGA = join(COMPILED, 'yoga-inside.js')

/** graphql-yoga as it is in the package: one file, where it would be some hundreds, which take longer to load than all of lib/. */
async function yoga() {
  const { outputFiles } = await build({
    stdin: { contents: "export { createYoga } from 'graphql-yoga'", resolveDir: '.' },
    bundle: true,
    plugins: [yogaInside],
    mainFields: ['module', 'main'],
    external: ['node:*'],
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    write: false,
    logLevel: 'warning',
  })
  return outputFiles[0].contents
}

/** @throws where it does not ask for it as it did */
function withYogaInside(text) {
  const asked = 'import { createYoga } from "graphql-yoga";'
  if (text.split(asked).length !== 2) throw new Error(`${ASKS_YOGA} does not say ${asked}`)
  return text.replace(asked, `import { createYoga } from "${relative(dirname(ASKS_YOGA), YOGA).replaceAll('\\', '/')}";`)
}

/** The package ws by its file, as lib/ takes it on Bun, which has one of its own for the name: elsewhere, it is the same one. */
function withWsInstalled(text, path) {
  const at = relative(dirname(path), 'node_modules/ws/wrapper.mjs').replaceAll('\\', '/')
  return text.replace(/((?:from |import\())"ws"/g, (_, before) => `${before}"${at}"`)
}

/** Where the map of a compiled file is. Not beside it, nor in it: node would read that of each module in each process, and only who fails wants one. */
const mapOf = (name) => resolve(COMPILED, 'maps', name)

/** A text in which compiled files are named with line and column, as in stacks, with the sources in their place. */
export function inSources(text) {
  const maps = new Map()
  const mapFor = (name) => {
    if (!maps.has(name)) maps.set(name, existsSync(mapOf(name)) ? new SourceMap(JSON.parse(readFileSync(mapOf(name), 'utf8'))) : undefined)
    return maps.get(name)
  }
  return text.replace(/(?:file:\/\/)?[^\s()'"]*\.compiled[\\/]((?:lib|test)[^\s()'":]+)\.js:(\d+):(\d+)/g, (found, name, line, column) => {
    const { originalLine, originalColumn } = mapFor(`${name}.js.map`)?.findEntry(line - 1, column - 1) ?? {}
    return originalLine === undefined ? found : `${name}.ts:${originalLine + 1}:${originalColumn + 1}`
  })
}

/** What is the same is left alone: another run may be reading it. */
function write(path, contents) {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(contents))) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, contents)
}
