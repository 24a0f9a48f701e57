import { clearInterval, now, setInterval } from '../base/clock.js'
import type { Response } from '../request/response.js'
import { source } from './inputs.js'
import { defaultOutput, ProgressLine, type ProgressOutput, sharedWith } from './progress-output.js'

/** How a post ended: all answered, with an error, or because somebody stopped it: its consumer, its signal, or who gave its inputs. */
export type ProgressEnd = 'done' | 'failed' | 'stopped'

/**
 * How many requests will come of inputs, where that can be known: of one document, an array, what says its size, or where somebody said so.
 * @param total how many documents, as somebody said
 */
export function expected(inputs: unknown, requestSize: number, total?: number): number | undefined {
  if (total !== undefined) return requestsOf(total, requestSize)
  const from = source(inputs)
  let count: unknown = 1
  if (from.kind === 'array') count = from.items.length
  else if (from.kind === 'sync' || from.kind === 'async') count = (from.items as { size?: unknown }).size
  else if (from.kind !== 'one' && from.kind !== 'nothing') return undefined
  return typeof count === 'number' ? requestsOf(count, requestSize) : undefined
}

function requestsOf(documents: number, requestSize: number): number | undefined {
  if (!Number.isFinite(documents)) return undefined
  return requestSize >= 1 && requestSize !== Infinity ? Math.ceil(documents / requestSize) : Math.min(documents, 1)
}

/** Milliseconds between two drawings: fast enough to look alive, slow enough to cost nothing. */
const INTERVAL = 100
const BAR = 24
/** A shorter bar says less than its percentage. */
const SHORTEST = 8
/** Facts of a line by their place, those first that go first where there is no room: cached, skipped, documents, elapsed, rate, the word behind the numbers, what is left, failed. */
const LEAST = [4, 3, 2, 6, 5, 0, 7, 1]
const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** Who draws on which output. Posts that run side by side share a terminal but not its line: the others write their last line only. */
const drawing = new WeakMap<ProgressOutput, Progress>()

/**
 * Shows on stderr how a post moves: requests, documents per second, elapsed time, and the time left when the length is known.
 * A bar (a spinner without a known length) where stderr is a terminal, and one plain line at the end in any case. What others write to the terminal meanwhile, such as
 * a log, gets lines of its own above the bar.
 * The cursor is never hidden, so that nothing needs repair when the process is killed. Without a stderr, as in a browser, it is silent.
 *
 * `NO_COLOR` takes the colours away, `TERM=dumb` the bar.
 */
export class Progress {
  readonly #expected: number | undefined
  readonly #output: ProgressOutput | undefined
  readonly #draws: boolean
  /** While it is drawn. */
  #bar: ProgressLine | undefined
  readonly #colors: boolean
  /** Documents that an earlier run of the job did. */
  readonly #skipped: number
  readonly #start = now()
  #timer: ReturnType<typeof setInterval> | undefined
  #drawn = this.#start
  #frame = 0
  #requests = 0
  #documents = 0
  #failed = 0
  #cached = 0

  /** @param expected how many requests will come, when that is known */
  constructor(expected?: number, output: ProgressOutput | undefined = defaultOutput(), skipped = 0) {
    this.#skipped = skipped
    const env = globalThis.process?.env ?? {}
    this.#expected = expected
    this.#output = output
    this.#draws = output?.isTTY === true && env.TERM !== 'dumb'
    this.#colors = !env.NO_COLOR
    if (!this.#draws) return
    // A slow request is seen to run, too. The timer keeps no process alive.
    this.#timer = setInterval(() => this.#draw(), INTERVAL)
    this.#timer.unref?.()
  }

  /** Counts a response and its documents. */
  count(response: Pick<Response, 'docs' | 'error' | 'routes'>): void {
    this.#requests++
    for (const { cached = 0 } of response.routes) this.#cached += cached
    this.#documents += response.docs.length
    if (response.error !== undefined) this.#failed++
    // Timers starve while executors compute without a pause.
    if (this.#draws && now() - this.#drawn >= INTERVAL) this.#draw()
  }

  /** Takes the bar away and writes the last line. Further calls do nothing. */
  stop(how: ProgressEnd): void {
    if (this.#output === undefined || this.#drawn === Infinity) return
    this.#drawn = Infinity
    clearInterval(this.#timer)
    this.#bar?.close()
    // The other's bar, if there is one, comes back with its next drawing.
    this.#output.write(`${this.#last(how)}\n`)
    if (drawing.get(this.#output) === this) drawing.delete(this.#output)
  }

  #draw(): void {
    const output = this.#output!
    if (drawing.has(output) && drawing.get(output) !== this) return
    drawing.set(output, this)
    this.#drawn = now()
    this.#bar ??= new ProgressLine(output, sharedWith(output))
    this.#bar.draw(this.#line((output.columns || 80) - 1))
  }

  #line(width: number): string {
    const { expected, seconds, rate } = this.#state()
    const known = expected !== undefined && expected > 0
    const part = known ? Math.min(this.#requests / expected, 1) : 0
    const left = known && this.#requests > 0 ? (seconds / this.#requests) * Math.max(expected - this.#requests, 0) : undefined
    const facts = [
      known ? `${whole.format(this.#requests)}/${whole.format(expected)} requests` : plural(this.#requests, 'request'),
      this.#failed > 0 ? `${whole.format(this.#failed)} failed` : undefined,
      plural(this.#documents, 'document'),
      this.#skipped > 0 ? `${whole.format(this.#skipped)} skipped` : undefined,
      this.#cached > 0 ? `${whole.format(this.#cached)} cached` : undefined,
      `${whole.format(rate)} docs/s`,
      clock(seconds),
      left === undefined ? undefined : `ETA ${clock(left)}`,
    ]
    const head = known ? `${percent(part)} ` : `${SPINNER[this.#frame++ % SPINNER.length]} `
    // A line that wraps cannot be drawn over. Where there is less room, the bar gets shorter, and what says least goes first: how many there are, what is left and what failed stay.
    const room = (): number => width - head.length - facts.filter((fact) => fact !== undefined).join(' · ').length - 1
    for (const at of LEAST) {
      if (room() >= (known ? SHORTEST : -1)) break
      // The numbers say it without the word.
      if (at === 0) facts[0] = known ? facts[0]!.replace(' requests', '') : facts[0]
      else facts[at] = undefined
    }
    const cells = known ? Math.min(BAR, room()) : 0
    const bar = cells >= SHORTEST ? `${this.#cells(part, cells)} ` : ''
    const text = facts
      .filter((fact) => fact !== undefined)
      .join(' · ')
      .slice(0, Math.max(width - head.length, 0))
    return known ? `${bar}${head}${text}` : `${this.#paint(36, head)}${text}`
  }

  #cells(part: number, cells: number): string {
    const done = Math.round(part * cells)
    return this.#paint(36, '━'.repeat(done)) + this.#paint(90, '─'.repeat(cells - done))
  }

  #last(how: ProgressEnd): string {
    const { seconds, rate } = this.#state()
    const failed = this.#failed > 0 ? `, ${whole.format(this.#failed)} failed` : ''
    const skipped = this.#skipped > 0 ? `, ${whole.format(this.#skipped)} done before and skipped` : ''
    const cached = this.#cached > 0 ? `, ${plural(this.#cached, 'answer')} from the cache` : ''
    const counts = `${plural(this.#requests, 'request')}${failed}, ${plural(this.#documents, 'document')}${skipped}${cached}`
    return `${how}: ${counts} in ${seconds.toFixed(1)} s (${whole.format(rate)} docs/s)`
  }

  #state(): { expected: number | undefined; seconds: number; rate: number } {
    const seconds = (now() - this.#start) / 1000
    return { expected: this.#expected, seconds, rate: seconds > 0 ? this.#documents / seconds : 0 }
  }

  #paint(color: number, text: string): string {
    return this.#colors && text !== '' ? `\x1b[${color}m${text}\x1b[39m` : text
  }
}

function plural(count: number, noun: string): string {
  return `${whole.format(count)} ${noun}${count === 1 ? '' : 's'}`
}

function percent(part: number): string {
  return `${Math.floor(part * 100)}%`.padStart(4)
}

/** `0:07`, `12:34`, `1:02:03` */
function clock(seconds: number): string {
  const s = Math.round(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
}
