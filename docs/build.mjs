// Builds the site into docs/.vitepress/dist: the reference from the docstrings, then all pages. It asks for nothing from the network.
//   npm run docs              builds it
//   npm run docs -- --serve   and serves it on this machine
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, serve } from 'vitepress'

const docs = resolve(import.meta.dirname)
const typedoc = dirname(dirname(fileURLToPath(import.meta.resolve('typedoc'))))

rmSync(join(docs, 'api'), { recursive: true, force: true })
execFileSync(process.execPath, [join(typedoc, 'bin/typedoc'), '--options', join(docs, 'typedoc.config.mjs')], { stdio: 'inherit' })
await build(docs)
console.log(`The site is in ${join(docs, '.vitepress/dist')}`)
if (process.argv.includes('--serve')) await serve({ root: docs })
