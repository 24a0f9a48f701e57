import type { ChildProcess } from 'node:child_process'
import { setTimeout } from '../base/clock.js'
import { node } from '../base/node.js'
import { begunAt, lives } from '../base/process-life.js'
import { Engine, OWNER } from './engine.js'
import { loaderFlags, workerFile } from './entry.js'

// ── whose containers are whose ───────────────────────────────────────────────────────────────────────────

let own: Promise<string> | undefined

/** What stands in the label of this process's containers: the machine, where processes have their numbers, the process, and when it began, as numbers come again. */
export function owner(): Promise<string> {
  own ??= machine().then(async (machine) => `${machine}.${process.pid}.${await begunAt(process.pid)}`)
  return own
}

async function machine(): Promise<string> {
  const [{ createHash }, { hostname }, { readFile, readlink }] = await Promise.all([node('crypto'), node('os'), node('fs/promises')])
  const nothing = (): string => ''
  const boot = readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(nothing)
  const numbers = readlink('/proc/self/ns/pid').catch(nothing)
  const parts = [hostname(), await boot, await numbers].join('\n')
  return createHash('sha256').update(parts).digest('hex').slice(0, 16)
}

let looked = false

/** Removes what processes of this machine left behind that are gone: those of others may live. Once, at the first container. */
export async function removeOrphans(engine: Engine): Promise<void> {
  if (looked) return
  looked = true
  const [here] = (await owner()).split('.') as [string]
  const gone: string[] = []
  for (const [id, label] of await engine.owned()) {
    const [where, pid, begun = '0'] = label.split('.')
    if (where === here && !(await lives(Number(pid), begun))) gone.push(id)
  }
  if (gone.length > 0) await engine.remove(...gone)
}

// ── who removes them when this process is gone ───────────────────────────────────────────────────────────

/** What the keeper is told when there is nothing left to keep. */
const BYE = '!\n'

/** What the process that watches over this one is told. */
export interface Keeping {
  readonly sluice: 'keeper'
  readonly command: string
  readonly isPodman: boolean
  readonly owner: string
}

let keeper: { readonly child: ChildProcess; users: number } | undefined

/**
 * Has a process of its own remove the containers of this one when it is gone, killed or not. It lives as long as there are containers.
 * @param pid of the command that begins one: it is ended, too
 * @returns says that this one is over
 */
export async function keep(engine: Engine, pid: number): Promise<() => void> {
  const [{ spawn }, file, whose] = await Promise.all([node('child_process'), workerFile(), owner()])
  if (keeper === undefined || keeper.child.exitCode !== null || keeper.child.signalCode !== null) {
    const told: Keeping = { sluice: 'keeper', command: engine.command, isPodman: engine.isPodman, owner: whose }
    const child = spawn(process.execPath, [...loaderFlags(), file, JSON.stringify(told)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      windowsHide: true,
    })
    child.on('error', () => {})
    // Without a file handle there is none: the next container, or the next Flow, looks after what this one leaves.
    if ((child.stdin as unknown) === undefined) return () => {}
    child.stdin.on('error', () => {})
    child.unref()
    ;(child.stdin as { unref?(): void }).unref?.()
    keeper = { child, users: 0 }
  }
  const mine = keeper
  mine.users++
  mine.child.stdin!.write(`+${pid}\n`)
  let over = false
  return () => {
    if (over) return
    over = true
    mine.child.stdin!.write(`-${pid}\n`)
    if (--mine.users > 0) return
    // It may be that this process goes on, and begins others: they have a keeper of their own.
    mine.child.stdin!.end(BYE)
    if (keeper === mine) keeper = undefined
  }
}

/** Milliseconds after which the keeper looks again: one that was being made may have come later. */
const LOOKS = [0, 100, 300, 1000, 3000]

/** What the keeper does: it waits until the other end of its input is gone. */
export async function keepWatch({ command, isPodman, owner }: Keeping): Promise<void> {
  const [{ spawn }, { tmpdir }] = await Promise.all([node('child_process'), node('os')])
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const engine = new Engine(command, isPodman, spawn, tmpdir())
  const begun = new Set<number>()
  let said = ''
  for await (const text of process.stdin.setEncoding('utf8')) {
    const lines = `${said}${text}`.split('\n')
    said = lines.pop()!
    if (lines.includes(BYE.trim())) return
    for (const line of lines) begun[line[0] === '+' ? 'add' : 'delete'](Number(line.slice(1)))
  }
  // Nobody begins any more.
  for (const pid of begun) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  for (const wait of LOOKS) {
    await new Promise((resolve) => setTimeout(resolve, wait))
    const ids = [...(await engine.owned(OWNER, owner)).keys()]
    if (ids.length > 0) await engine.remove(...ids)
    else if (begun.size === 0) break
  }
}
