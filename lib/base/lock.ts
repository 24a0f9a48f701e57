import { clearInterval, setInterval, setTimeout } from './clock.js'
import { node } from './node.js'
import { begunAt, lives } from './process-life.js'

/** Milliseconds between two signs of life of who has a file, and after which one of another machine or thread is taken to be gone. */
const SIGN = 2000
const GONE = 10_000
/** Milliseconds in which who makes the file has written into it, where it cannot appear whole. */
const WRITES = 2000
/** How often somebody who leaves waits for who is just taking over. */
const TRIES = 100
/** Milliseconds between looks at one that somebody is just taking over. */
const LOOK = 10

interface Holder {
  readonly pid: number
  readonly thread: number
  readonly machine: string
  readonly begun: string
  /** Of this one alone. */
  readonly token: string
}

/** Those of this thread. */
const held = new Set<string>()

/**
 * Takes a file that stands for something which one at a time may use. What one that was killed has left is taken over.
 * @returns what leaves it; or, where another has it, who that is
 */
export async function lock(file: string): Promise<(() => Promise<void>) | string> {
  const [{ link, readFile, rename, rm, stat, utimes, writeFile }, { hostname }, { threadId }, { resolve }, { randomUUID }] = await Promise.all([
    node('fs/promises'),
    node('os'),
    node('worker_threads'),
    node('path'),
    node('crypto'),
  ])
  const path = resolve(file)
  const own: Holder = { pid: process.pid, thread: threadId, machine: hostname(), begun: await begunAt(process.pid), token: randomUUID() }
  const text = JSON.stringify(own)
  const age = async (): Promise<number> =>
    Date.now() -
    (await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    ))
  const holderOf = async (text: string): Promise<string | undefined> => {
    const holder = holderIn(text)
    // He may be about to write who he is.
    if (holder === undefined) return (await age()) < WRITES ? 'somebody' : undefined
    const { pid, machine, thread, begun, token } = holder
    const isHere = machine === own.machine
    if (isHere && pid !== own.pid) return (await lives(pid, String(begun))) ? `process ${pid}` : undefined
    if (isHere && begun !== own.begun) return undefined
    if (isHere && thread === own.thread) return held.has(token) ? 'this process' : undefined
    if ((await age()) >= GONE) return undefined
    return isHere ? 'another thread of this process' : `process ${pid} of ${machine}`
  }
  /** Nothing, where there is none any more. */
  const textNow = (): Promise<string | undefined> =>
    readFile(path, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
  const next = `${path}.${own.token}`
  /** It appears whole: nobody finds it before it says whose it is. */
  const isMade = async (): Promise<boolean> => {
    try {
      await link(next, path)
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return false
      // Whatever else it is: a file system without links says so in many ways, and what is wrong here too, is told here.
      return await writeFile(path, text, { flag: 'wx', mode: 0o600 }).then(
        () => true,
        (error) => {
          if (error.code === 'EEXIST') return false
          throw error
        },
      )
    }
  }
  /**
   * Changes it where it is as it was found: of several who find it left over, one alone may take it, and who was taken to be gone may leave just then. There is a lock for that, too.
   * @returns whether it was; undefined where somebody else is at it
   */
  const exchange = async (before: string, change: () => Promise<void>): Promise<boolean | undefined> => {
    const leave = await lock(`${path}.over`)
    if (typeof leave === 'string') {
      await new Promise((resolve) => setTimeout(resolve, LOOK))
      return undefined
    }
    try {
      if ((await textNow()) !== before) return false
      await change()
      return true
    } finally {
      await leave()
    }
  }
  const take = async (): Promise<string | undefined> => {
    for (;;) {
      if (!(await isMade())) {
        const before = await textNow()
        if (before === undefined) continue
        const holder = await holderOf(before)
        if (holder !== undefined) return holder
        if (!(await exchange(before, () => rename(next, path)))) continue
      }
      // Whoever has it, is who it says.
      if ((await textNow()) === text) return undefined
      await writeFile(next, text, { mode: 0o600 })
    }
  }
  /** One's own alone: who was taken to be gone leaves what is another's by now. */
  const remove = async (): Promise<void> => {
    // That of a change is held for a moment.
    for (let tries = path.endsWith('.over') ? TRIES : 0; tries < TRIES; tries++) {
      if ((await textNow()) !== text) return
      const isRemoved = await exchange(text, () => rm(path, { force: true })).catch(() => undefined)
      if (isRemoved !== undefined) return
    }
    if ((await textNow()) === text) await rm(path, { force: true })
  }
  // From before it stands in the file: others of this thread look there meanwhile.
  held.add(own.token)
  let holder: string | undefined = 'nobody'
  try {
    await writeFile(next, text, { mode: 0o600 })
    holder = await take()
    if (holder !== undefined) return holder
  } finally {
    if (holder !== undefined) held.delete(own.token)
    await rm(next, { force: true }).catch(() => {})
  }
  const timer = setInterval(async () => {
    const time = new Date()
    // No sign of life for another's.
    if ((await textNow().catch(() => undefined)) === text) await utimes(path, time, time).catch(() => {})
  }, SIGN)
  timer.unref?.()
  return async () => {
    clearInterval(timer)
    await remove().finally(() => held.delete(own.token))
  }
}

function holderIn(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder
    return typeof holder.pid === 'number' ? holder : undefined
  } catch {
    return undefined
  }
}
