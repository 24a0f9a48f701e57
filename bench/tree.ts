import { readdirSync, readFileSync } from 'node:fs'

/** What a process and all it has started use together, as Linux counts it. */
export interface Tree {
  readonly processes: number
  /** Resident bytes, summed: what processes share counts for each. */
  readonly resident: number
  /** Bytes, with shared ones divided among those that share them. */
  readonly proportional: number
  /** Microseconds of CPU since they began. */
  readonly cpu: number
}

const PAGE = 4096
/** Clock ticks are hundredths of a second on every Linux that Node runs on. */
const TICK = 10_000

interface Stat {
  readonly parent: number
  readonly cpu: number
}

/** Who left while we looked has no stat. */
function stat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // A name may have blanks and parentheses in it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) * TICK }
  } catch {
    return undefined
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** The process and its descendants, oldest first. */
export function family(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const found = /^\d+$/.test(name) ? stat(Number(name)) : undefined
    if (found !== undefined) parents.set(Number(name), found.parent)
  }
  const all = [root]
  for (const pid of all) for (const [child, parent] of parents) if (parent === pid) all.push(child)
  return all
}

/** The child of this process that runs a script. */
export function childRunning(script: string): number {
  const child = family(process.pid).find((pid) => stat(pid)?.parent === process.pid && read(pid, 'cmdline').includes(script))
  if (child === undefined) throw new Error(`No child runs ${script}`)
  return child
}

export function resident(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(read(pid, 'statm').split(' ')[1] ?? 0) * PAGE, 0)
}

export function cpu(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (stat(pid)?.cpu ?? 0), 0)
}

export function look(root: number): Tree {
  const pids = family(root)
  const proportional = pids.reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))?.[1] ?? 0) * 1024, 0)
  return { processes: pids.length, resident: resident(pids), proportional, cpu: cpu(pids) }
}
