// What docs/runtimes.md says of suites on each runtime: counts of runs, and why some fail. test/runtimes.mjs writes it there.
import { CORE, knownOf, RUNTIMES } from './runtimes.mjs'

/** Between these lines of a page, all is made. */
const BEGIN = '<!-- made by: node test/runtimes.mjs --table -->'
const END = '<!-- the end of what is made -->'
const NONE = '–'
/** The row of all suites there are, not of the core's alone. */
const WHOLE = 'npm test'

/** Rooms of the suites that run on each, as the table has them. */
export const ROOMS = [
  ...new Set(
    CORE.map((part) =>
      part
        .split('/')
        .slice(1, part.startsWith('test/wire/') ? 3 : 2)
        .join('/'),
    ),
  ),
]

/**
 * What stands below a runtime in the table.
 * @param suites what each suite came to, by its file: as test/run.mjs writes it
 * @returns by room, and `all` under ''
 */
export function columnOf(suites) {
  const cells = {}
  for (const room of [...ROOMS, ''])
    cells[room] = cellOf(Object.entries(suites).flatMap(([file, suite]) => (file.startsWith(room === '' ? '' : `test/${room}/`) ? [suite] : [])))
  return cells
}

/** The same of a run of all suites there are. */
export function wholeOf(suites) {
  return { [WHOLE]: cellOf(Object.values(suites)) }
}

function cellOf(suites) {
  const sum = (what) => suites.reduce((all, suite) => all + suite[what], 0)
  const [passed, failed, skipped, known] = ['passed', 'failed', 'skipped', 'known'].map(sum)
  const unrun = suites.filter((suite) => suite.unrun !== undefined).length
  const beside = [
    failed > 0 && `**${failed} failed**`,
    known > 0 && `${known} cannot`,
    unrun > 0 && `${unrun} ${unrun === 1 ? 'suite' : 'suites'} not run`,
    skipped > 0 && `${skipped} skipped`,
  ].filter(Boolean)
  return suites.length === 0 ? NONE : [passed, ...beside].join(', ')
}

/**
 * The table of what was run.
 * @param columns by the title of a runtime
 */
export function tableOf(columns) {
  const titles = Object.keys(columns)
  const rows = [...ROOMS, '', WHOLE].map((room) => [room || 'all', ...titles.map((title) => columns[title][room] ?? NONE)])
  return aligned([['suites', ...titles], ...rows], 1)
}

/** What is known to fail on each runtime, and why: test/runtimes.json in words. */
export function reasons() {
  const lines = []
  for (const name of Object.keys(RUNTIMES)) {
    // What several suites have in common is told once.
    const all = new Map()
    const add = (what, why, file) => {
      const key = JSON.stringify([what, why])
      all.set(key, [...(all.get(key) ?? []), `\`${file.replace(/^test\/|\.ts$/g, '')}\``])
    }
    for (const [file, known] of Object.entries(knownOf(name))) {
      if (typeof known === 'string') add('not run', known, file)
      else for (const [what, why] of Object.entries(known)) add(what === 'held' ? 'does not end by itself' : `“${what}”`, why, file)
    }
    for (const [key, files] of all) {
      const [what, why] = JSON.parse(key)
      lines.push(`- ${RUNTIMES[name].title}, ${files.join(', ')}, ${what}: ${why}.`)
    }
  }
  return lines.join('\n')
}

/** The columns that a page has already, by the title of the runtime: those of other runs, as each may be run by itself. */
export function columnsIn(page) {
  const [head = '', , ...rows] = insideOf(page)
    .split('\n\n')
    .find((part) => part.startsWith('| suites'))
    .split('\n')
  const cellsOf = (line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const columns = Object.fromEntries(
    cellsOf(head)
      .slice(1)
      .map((title) => [title, {}]),
  )
  for (const row of rows) {
    const [room, ...cells] = cellsOf(row)
    for (const [at, title] of Object.keys(columns).entries()) columns[title][room === 'all' ? '' : room] = cells[at]
  }
  return columns
}

/**
 * A page with what was run put in the place of what stands there. A column of another version of a runtime goes for that of a newer run.
 * @param columns by the title of a runtime, of those that were run
 */
export function pageWith(page, columns) {
  const kind = (title) => title.split('.')[0].replace(/ \d+$/, (number) => (title.startsWith('Node') ? number : ''))
  const ran = new Set(Object.keys(columns).map(kind))
  const before = columnsIn(page)
  const others = Object.entries(before).filter(([title]) => !ran.has(kind(title)))
  const order = ['Node 20', ...Object.values(RUNTIMES).map(({ title }) => title)]
  const now = Object.entries(columns).map(([title, cells]) => [title, { ...before[title], ...cells }])
  const all = [...others, ...now].sort(([one], [other]) => order.indexOf(kind(one)) - order.indexOf(kind(other)))
  return `${page.slice(0, page.indexOf(BEGIN) + BEGIN.length)}\n\n${tableOf(Object.fromEntries(all))}\n\nWhat fails, and why:\n\n${reasons()}\n\n${page.slice(page.indexOf(END))}`
}

/** @throws where the page has no place for it */
function insideOf(page) {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`There is no place for the table: a line ${BEGIN}, and ${END} behind it`)
  return page.slice(begin + BEGIN.length, end).trim()
}

/** @param numbers from which column on cells stand at the right */
function aligned(rows, numbers = Infinity) {
  const texts = rows.map((row) => row.map((cell) => String(cell).replaceAll('|', '\\|')))
  const widths = texts[0].map((_, column) => Math.max(3, ...texts.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, at) => (at < numbers ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at < numbers ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(texts[0]), rule, ...texts.slice(1).map(line)].join('\n')
}
