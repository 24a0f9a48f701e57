// The pages: that links lead somewhere, that each error is explained, and that each page has a title.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const pages = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((file) => file.endsWith('.md'))
const read = (file: string): string => readFileSync(file, 'utf8')
const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '`')

/** What a heading is called in an address: as GitHub has it, and docs/.vitepress/config.mjs. */
const anchors = (file: string): Set<string> =>
  new Set(
    [
      ...read(file)
        .replace(/^```[\s\S]*?^```$/gm, '')
        .matchAll(/^#+ (.+)$/gm),
    ].map(([, heading]) =>
      heading!
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\- _]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )

test('T5: each link of a page leads to a file that is there, and to a heading in it', () => {
  let seen = 0
  for (const page of pages)
    for (const [, link] of withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue
      const [file, anchor] = link!.split('#')
      const target = file === '' ? page : normalize(join(dirname(page), file!)).replaceAll('\\', '/')
      assert.ok(existsSync(target), `${page} links to ${link}, which is not there`)
      if (anchor !== undefined) assert.ok(anchors(target).has(anchor), `${page} links to ${link}: there is no such heading`)
      seen++
    }
  assert.ok(seen > 80)
})

/** Codes of others, which lib asks for. */
const FOREIGN = ['ERR_WORKER_OUT_OF_MEMORY', 'ERR_UNKNOWN_FILE_EXTENSION']

test('T5: each code of an error has an entry that says its cause and what to do, and no entry is without a code', () => {
  const sources = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const codes = new Set(sources.flatMap((file) => [...read(`lib/${file}`).matchAll(/'(ERR_[A-Z_]*[A-Z])'/g)].map(([, code]) => code!)))
  for (const code of FOREIGN) assert.ok(codes.delete(code), code)
  const [, ...entries] = read('docs/errors.md').split(/^### /m)
  const explained = entries.map((entry) => /^\w+/.exec(entry)![0])
  assert.equal([...explained].sort(), [...codes].sort())
  for (const entry of entries) assert.match(entry, /^\w+\n\n\S[\s\S]*\n\n\*\*What to do:\*\* \S/)
})

test('T5: each page has a title', () => {
  for (const page of pages.filter((page) => !/README|index/.test(page))) assert.match(read(page), /^# .+\n/, page)
})

test.run()
