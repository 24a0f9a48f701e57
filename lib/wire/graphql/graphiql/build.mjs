// Bundles GraphiQL with its style sheet, so that the page needs nothing but this package.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))

/**
 * Writes `graphiql.js`, `graphiql.css` and the licenses of what is in them into a folder, unless they are there and newer than their sources.
 * @param {string} outdir
 */
export async function buildGraphiQL(outdir) {
  const made = ['graphiql.js', 'graphiql.css', 'graphiql.licenses.txt'].map((file) => join(outdir, file))
  const sources = [...readdirSync(here).map((file) => join(here, file)), 'package-lock.json']
  const time = (file) => statSync(file).mtimeMs
  if (made.every((file) => existsSync(file)) && Math.max(...sources.map(time)) < Math.min(...made.map(time))) return
  const { metafile } = await build({
    entryPoints: { graphiql: join(here, 'page.mjs') },
    outdir,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' },
    loader: { '.woff2': 'dataurl', '.woff': 'dataurl', '.ttf': 'dataurl' },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  writeFileSync(join(outdir, 'graphiql.licenses.txt'), licenses(Object.keys(metafile.inputs)))
}

/** @param {string[]} files */
function licenses(files) {
  const folders = new Set(files.map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter((folder) => folder !== undefined))
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((file) => /^licen[sc]e/i.test(file))
    return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return texts.join(`\n${'─'.repeat(80)}\n\n`)
}
