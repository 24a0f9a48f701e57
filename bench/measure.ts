import { fork } from 'node:child_process'
import { isChild, quick } from './report.js'

/** What takes part in a race: `run` does the whole of its work once. */
export interface Contender {
  readonly name: string
  run(): unknown
}

export interface RaceOptions {
  /** Rounds that count, in each process. In each, every contender runs once, in a new random order. */
  rounds: number
  /** Rounds before them that do not count, in each process. */
  warmups: number
  /** Wall milliseconds that one sample should last: short runs are repeated until they fill it. */
  window: number
}

/** CPU and wall time of one run, in microseconds. */
export interface Sample {
  readonly cpu: number
  readonly wall: number
}

/** All samples of one contender, one a process: the median of its rounds. */
export interface Result {
  readonly name: string
  readonly samples: readonly Sample[]
}

/** Processes that each run the whole bench: what a process settles on for its whole life (what its compiler made of it) differs between them. */
export const PROCESSES = quick ? 2 : 10

let races: Promise<Result[][]> | undefined
let run = 0

/**
 * Races contenders, in {@link PROCESSES} fresh processes that each run this whole bench, one after the other. In each, every round gives every
 * contender one sample, in random order, so that what disturbs the machine disturbs all of them. CPU time is that of the whole process,
 * its collector and compiler threads included. The collector is never forced: that throws optimised code away.
 */
export async function race(contenders: readonly Contender[], options: RaceOptions): Promise<Result[]> {
  if (isChild) {
    const results = await raceHere(contenders, options)
    process.send!(results)
    return results
  }
  races ??= raceInChildren()
  return (await races)[run++]!
}

async function raceInChildren(): Promise<Result[][]> {
  const all: Result[][] = []
  for (let i = 0; i < PROCESSES; i++) {
    const child = fork(process.argv[1]!, process.argv.slice(2), {
      env: { ...process.env, BENCH_CHILD: String(i) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    let at = 0
    child.on('message', (results) => {
      const merged = (all[at++] ??= (results as Result[]).map(({ name }) => ({ name, samples: [] })))
      for (const { name, samples } of results as Result[]) (named(merged, name).samples as Sample[]).push(middle(samples))
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) throw new Error(`A process of the bench ended with ${code}`)
  }
  return all
}

function middle(samples: readonly Sample[]): Sample {
  return { cpu: median(samples.map(({ cpu }) => cpu)), wall: median(samples.map(({ wall }) => wall)) }
}

async function raceHere(contenders: readonly Contender[], { rounds, warmups, window }: RaceOptions): Promise<Result[]> {
  const entries = contenders.map((contender) => ({ contender, repeats: 1, samples: [] as Sample[] }))
  for (let round = -warmups; round < rounds; round++) {
    for (const entry of shuffled(entries)) {
      const sample = await measure(entry.contender, entry.repeats)
      if (round >= 0) entry.samples.push(sample)
      else entry.repeats = Math.min(10_000, Math.max(1, Math.round((window * 1000) / Math.max(sample.wall, 1))))
    }
  }
  return entries.map(({ contender, samples }) => ({ name: contender.name, samples }))
}

async function measure(contender: Contender, repeats: number): Promise<Sample> {
  const wall = performance.now()
  const cpu = process.cpuUsage()
  for (let i = 0; i < repeats; i++) await contender.run()
  const { user, system } = process.cpuUsage(cpu)
  return { cpu: (user + system) / repeats, wall: ((performance.now() - wall) * 1000) / repeats }
}

export function shuffled<T>(items: readonly T[]): T[] {
  const all = [...items]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/** The quantile `q` (0 to 1) of numbers, between neighbours by their distance. */
export function quantile(numbers: readonly number[], q: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = q * (sorted.length - 1)
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5)
}

/** The median of the ratios of two contenders' CPU times within each process: what slows a whole process cancels out. */
export function ratio(result: Result, baseline: Result): number {
  return median(ratios(result, baseline))
}

/** The ratio of two contenders' CPU times in the process where it is worst: what must hold, must hold in all. */
export function worst(result: Result, baseline: Result): number {
  return Math.max(...ratios(result, baseline))
}

function ratios(result: Result, baseline: Result): number[] {
  return result.samples.map(({ cpu }, process) => cpu / baseline.samples[process]!.cpu)
}

/** CPU nanoseconds per item: the median of the processes, the best and the worst. */
export function perItem({ samples }: Result, items: number): { median: number; best: number; worst: number } {
  const costs = samples.map(({ cpu }) => (cpu * 1000) / items)
  return { median: median(costs), best: Math.min(...costs), worst: Math.max(...costs) }
}

/** The result of that name. */
export function named(results: readonly Result[], name: string): Result {
  const result = results.find((result) => result.name === name)
  if (result === undefined) throw new Error(`No contender is called ${name}`)
  return result
}
