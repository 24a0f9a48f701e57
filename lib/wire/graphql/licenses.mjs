// The licenses of what the build takes into the package.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The licenses of the packages that files below `node_modules` belong to, for people to read.
 * @param {string[]} files
 */
export function licenses(files) {
  const folders = new Set(files.map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter((folder) => folder !== undefined))
  // One package can be there twice, for two that want it.
  const texts = new Set([...folders].sort().map(text))
  return [...texts].join(`\n${'─'.repeat(80)}\n\n`)
}

/** @param {string} folder */
function text(folder) {
  const { name, version, license, author, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((file) => /^licen[sc]e/i.test(file))
  const head = `${name} ${version} (${license})`
  if (file !== undefined) return `${head}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  if (license !== 'MIT') return `${head}\n`
  return `${head}\n\nCopyright (c) ${author?.name ?? author ?? 'its authors'}, ${repository?.url ?? repository ?? ''}\n\n${MIT}\n`
}

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`
