import type { ServiceStatus } from '../wire/service-status.js'

/** What the table shows, wherever its numbers come from. */
export interface Picture {
  readonly title: string | undefined
  readonly status: ServiceStatus
  /** Requests that ended, a second, where that is known. */
  readonly perSecond: number | undefined
  /** The same of an executor's calls, and how many milliseconds they take: half of them, and 99 of 100. */
  readonly executors: Readonly<
    Record<string, { readonly perSecond?: number | undefined; readonly p50?: number | undefined; readonly p99?: number | undefined }>
  >
}

type Executor = ServiceStatus['executors'][number]
type Said = NonNullable<Executor['replicas'][number]['said']>[number]
type Cell = (executor: Executor, more: Picture['executors'][string]) => string

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

const sum = ({ replicas }: Executor, name: 'answered' | 'failed'): number => replicas.reduce((sum, replica) => sum + replica[name], 0)

/** Columns behind the name: the first of them are shown where there is little room. */
const COLUMNS: readonly (readonly [title: string, width: number, cell: Cell])[] = [
  ['flight', 6, ({ inFlight }) => short.format(inFlight)],
  ['done/s', 7, (_, { perSecond }) => rate(perSecond)],
  ['failed', 7, (executor) => short.format(sum(executor, 'failed'))],
  ['wait', 5, ({ waiting }) => short.format(waiting)],
  ['p50', 7, (executor, { p50 }) => time(p50 ?? lately(executor))],
  ['p99', 7, (_, { p99 }) => time(p99)],
  ['done', 7, (executor) => short.format(sum(executor, 'answered'))],
  ['up', 6, ({ replicas }) => `${replicas.filter(({ state }) => state === 'ok').length}/${replicas.length}`],
]
/** The row of what an executor elsewhere says itself. */
const OWN = '↳ itself'
/** In place of that, where it says nothing of itself. */
const MUTE = '↳ tells no numbers: these are seen from here'
/** The least that a name has. */
const NAME = 12

/**
 * The numbers as lines, none of them longer than there is room for.
 * @param columns how wide the terminal is
 * @param rows how many lines it shows
 */
export function tableOf({ title, status, perSecond, executors }: Picture, columns: number, rows: number): string[] {
  const { health, requests, uptime } = status
  const state = health.ready ? 'ready' : `not ready: ${health.reason}`
  const counts = [
    `${rate(perSecond)} requests/s`,
    `${whole.format(requests.inFlight)} in flight`,
    `${whole.format(requests.waiting)} waiting`,
    `${whole.format(requests.answered)} answered`,
    `${whole.format(requests.failed)} failed`,
    `${whole.format(requests.refused)} refused`,
    `${whole.format(requests.late)} late`,
  ]
  const head = [...wrapped([...(title === undefined ? [] : [title]), state, `up ${span(uptime)}`], columns), ...wrapped(counts, columns), '']
  const shown = COLUMNS.filter((_, at) => COLUMNS.slice(0, at + 1).reduce((sum, [, width]) => sum + width + 1, NAME) <= columns)
  const room = columns - shown.reduce((sum, [, width]) => sum + width + 1, 0)
  const longest = Math.max(OWN.length, ...status.executors.map(({ name }) => name.length))
  const width = Math.max(1, Math.min(room, longest))
  const line = (name: string, cells: readonly string[]): string =>
    cut(`${cut(name, width).padEnd(width)}${cells.map((cell, at) => ` ${cell.padStart(shown[at]![1])}`).join('')}`, columns)
  const lines = status.executors.flatMap((executor) => {
    const row = line(
      executor.name,
      shown.map(([, , cell]) => cell(executor, executors[executor.name] ?? {})),
    )
    const said = executor.replicas.flatMap(({ said = [] }) => said)
    const isMute = said.length === 0 && executor.replicas.some(({ said }) => said !== undefined)
    const rows = said.length > 0 ? [row, line(OWN, ownOf(said).slice(0, shown.length))] : isMute ? [row, cut(MUTE, columns)] : [row]
    return executor.ready ? rows : [...rows, cut(`  ! ${executor.reason}`, columns)]
  })
  // The line below it is the cursor's.
  const fits = Math.max(1, rows - head.length - 2)
  const all = lines.length <= fits ? lines : [...lines.slice(0, fits - 1), cut(`and ${lines.length - fits + 1} more: a taller terminal shows them`, columns)]
  return [
    ...head,
    line(
      'executor',
      shown.map(([title]) => title),
    ),
    ...all,
  ]
}

/** What those elsewhere say themselves, for all who ask them, in the columns of the table: together, and the longest of their times. */
function ownOf(said: readonly Said[]): string[] {
  const sumOf = (name: 'inFlight' | 'waiting' | 'answered' | 'failed'): number => said.reduce((sum, one) => sum + one[name], 0)
  const known = (name: 'perSecond' | 'p50' | 'p99'): number[] => said.flatMap((one) => one[name] ?? [])
  const longest = (name: 'p50' | 'p99'): number | undefined => (known(name).length === 0 ? undefined : Math.max(...known(name)))
  const rates = known('perSecond')
  return [
    short.format(sumOf('inFlight')),
    rate(rates.length === 0 ? undefined : Math.round(rates.reduce((sum, one) => sum + one, 0) * 10) / 10),
    short.format(sumOf('failed')),
    short.format(sumOf('waiting')),
    time(longest('p50')),
    time(longest('p99')),
    short.format(sumOf('answered')),
    `${said.filter(({ ready }) => ready).length}/${said.length}`,
  ]
}

/** Without a server that tells its times: how long replicas took lately. */
function lately({ replicas }: Executor): number | undefined {
  const known = replicas.filter(({ answered }) => answered > 0)
  return known.length === 0 ? undefined : known.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / known.length
}

function rate(perSecond: number | undefined): string {
  return perSecond === undefined ? '–' : perSecond >= 1000 ? short.format(perSecond) : String(perSecond)
}

function time(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '–'
  return milliseconds >= 10_000 ? `${(milliseconds / 1000).toFixed(0)} s` : `${milliseconds >= 10 ? milliseconds.toFixed(0) : milliseconds.toFixed(1)}ms`
}

function span(milliseconds: number): string {
  const s = Math.floor(milliseconds / 1000)
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/** As many as fit on each line. */
function wrapped(parts: readonly string[], columns: number): string[] {
  const lines: string[] = []
  for (const part of parts.map((part) => cut(part, columns))) {
    const last = lines.at(-1)
    const joined = `${last} · ${part}`
    if (last !== undefined && joined.length <= columns) lines[lines.length - 1] = joined
    else lines.push(part)
  }
  return lines
}

/** As much of a text as there is room for, and nothing that a terminal obeys: names are others'. */
function cut(text: string, width: number): string {
  const plain = [...text.replace(/\p{C}/gu, '\ufffd')]
  return plain.length <= width ? plain.join('') : `${plain.slice(0, Math.max(0, width - 1)).join('')}…`
}
