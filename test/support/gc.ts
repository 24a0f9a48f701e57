import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { turn } from './turn.js'

const { Bun } = globalThis as { Bun?: { gc(now: boolean): void } }
if (Bun === undefined) setFlagsFromString('--expose-gc')
const collect: () => void = Bun === undefined ? runInNewContext('gc') : () => Bun.gc(true)

/** Collects what nobody can reach, and gives finalizers their turn. */
export async function gc(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await turn()
    collect()
  }
  await turn()
}

/** The heap in use after a collection, in MB. */
export async function heap(): Promise<number> {
  await gc()
  return process.memoryUsage().heapUsed / 1e6
}
