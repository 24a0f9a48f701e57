import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { turn } from './turn.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

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
