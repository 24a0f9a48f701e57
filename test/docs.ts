// The pages: that links lead somewhere, that each error is explained, and that each page has a title.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { columnOf, columnsIn, pageWith, ROOMS, reasons, wholeOf } from './support/runtimes-page.mjs'

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

test('T5: pages that name the version of this package name the one that it has', () => {
  const { version } = JSON.parse(read('package.json'))
  const named = pages.flatMap((page) => [...read(page).matchAll(/\bsluice[- ](\d+\.\d+\.\d+)\b/g)].map(([, named]) => `${page}: ${named}`))
  assert.ok(named.length >= 5)
  for (const one of named) assert.match(one, new RegExp(`: ${version}$`))
})

test('T5: each page that a message names is in the package', () => {
  const sources = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const named = new Set(sources.flatMap((file) => [...read(`lib/${file}`).matchAll(/\bdocs\/\w+\.md\b/g)].map(([page]) => page)))
  assert.ok(named.size >= 5)
  for (const page of named) assert.ok(pages.includes(page) && page !== 'docs/index.md', page)
})

test('T5: each page has a title', () => {
  for (const page of pages.filter((page) => !/README|index/.test(page))) assert.match(read(page), /^# .+\n/, page)
})

test('T6: the page of runtimes says what fails on each, and why, as test/runtimes.json has it', () => {
  const page = read('docs/runtimes.md')
  assert.ok(page.includes(`\n\n${reasons()}\n\n`), 'it says something else: node test/runtimes.mjs --table --runtimes= writes it anew')
  assert.is(pageWith(page, {}), page)
})

test('T6: the table of runtimes takes over what was run, and keeps the columns of what was not', () => {
  const none = { passed: 0, failed: 0, skipped: 0, known: 0 }
  const ran = columnOf({
    'test/doc/list.ts': { ...none, passed: 7, known: 1 },
    'test/doc/store/more.ts': { ...none, passed: 5, failed: 2, skipped: 3 },
    'test/wire/http/post.ts': { ...none, passed: 1 },
    'test/post/post.ts': { ...none, unrun: 'it cannot' },
  })
  assert.equal(
    ['doc', 'wire/http', 'post', 'graph', ''].map((room) => ran[room]),
    ['12, **2 failed**, 1 cannot, 3 skipped', '1', '0, 1 suite not run', '–', '13, **2 failed**, 1 cannot, 1 suite not run, 3 skipped'],
  )
  const page = `before\n${/^<!-- made.*$/m.exec(read('docs/runtimes.md'))![0]}\n\n| suites | Node 24.0.0 | Bun 1.0.0 | Deno 2.0.0 |\n|-|-|-|-|\n| doc | 1 | 2 | 3 |\n| formerly | 4 | 5 | 6 |\n| all | 7 | 8 | 9 |\n\nformer words\n\n${/^<!-- the end.*$/m.exec(read('docs/runtimes.md'))![0]}\nbehind\n`
  const written = pageWith(page, { 'Bun 1.4.5': ran, 'Node 22.1.0': ran })
  const columns = columnsIn(written)
  assert.equal(Object.keys(columns), ['Node 22.1.0', 'Node 24.0.0', 'Bun 1.4.5', 'Deno 2.0.0'])
  assert.equal(Object.keys(columns['Deno 2.0.0']!), [...ROOMS, '', 'npm test'])
  assert.equal([columns['Deno 2.0.0']!['doc'], columns['Deno 2.0.0']!['post'], columns['Node 24.0.0']!['']], ['3', '–', '7'])
  assert.equal(columns['Bun 1.4.5'], { ...ran, 'npm test': '–' })
  const whole = columnsIn(pageWith(written, { 'Node 22.1.0': wholeOf({ 'test/house.ts': { ...none, passed: 9 } }) }))
  assert.equal(whole['Node 22.1.0'], { ...ran, 'npm test': '9' })
  assert.match(written, /^before\n[\s\S]*\nbehind\n$/)
  assert.not.match(written, /former/)
  assert.throws(() => pageWith('nothing', {}), /no place for the table/)
})

test.run()
