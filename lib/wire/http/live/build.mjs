// Makes the live page one file: its script and its style inside, with their digests, by which a browser runs them and nothing else.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))

/**
 * Writes `live.json` into a folder: the page, and the digests of its script and its style.
 * @param {string} outdir
 */
export async function buildLivePage(outdir) {
  const { outputFiles } = await build({
    entryPoints: { page: join(here, 'page.mjs'), style: join(here, 'page.css') },
    outdir,
    bundle: true,
    minify: true,
    charset: 'utf8',
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    write: false,
    logLevel: 'warning',
  })
  const [script, own] = ['.js', '.css'].map((ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text.trim())
  const { code } = await transform(`${await colors()}${own}`, { loader: 'css', minify: true, charset: 'utf8' })
  const style = code.trim()
  const fill = { '/*script*/': script, '/*style*/': style }
  const html = readFileSync(join(here, 'page.html'), 'utf8').replace(/\/\*(?:script|style)\*\//g, (mark) => fill[mark])
  if (/<\/script/i.test(script) || /<\/style/i.test(style)) throw new Error('the live page would end within its script or its style')
  const digest = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`
  mkdirSync(outdir, { recursive: true })
  writeFileSync(join(outdir, 'live.json'), JSON.stringify({ html, script: digest(script), style: digest(style) }))
}

/** The colours of all pages, from the one place that has them. */
async function colors() {
  const { code } = await transform(readFileSync(join(here, '../../design.ts'), 'utf8'), { loader: 'ts', format: 'esm' })
  const { COLORS } = await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`)
  return COLORS
}
