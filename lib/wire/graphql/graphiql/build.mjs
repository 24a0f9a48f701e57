// Bundles GraphiQL with its style sheet, so that the page needs nothing but this package.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { licenses } from '../licenses.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

/**
 * The fonts of GraphiQL were a seventh of all that is downloaded with this package. The page takes those of the machine.
 * @type {import('esbuild').Plugin}
 */
const withoutFonts = {
  name: 'without-fonts',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]graphiql[\\/].*\.css$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/@font-face\s*\{[^}]*\}/g, ''),
      loader: 'css',
    })),
}

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
    plugins: [withoutFonts],
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  writeFileSync(join(outdir, 'graphiql.licenses.txt'), licenses(Object.keys(metafile.inputs)))
}
