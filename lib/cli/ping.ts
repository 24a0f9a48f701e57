import { Command } from 'commander'
import { now, setTimeout } from '../base/clock.js'
import { DRY_RUN } from '../executor/bindings.js'
import { clientOf, type Reach, reaching } from './reach.js'
import { explain, Failed, integer } from './usage.js'

interface PingOptions extends Reach {
  attempts: number
  timeout: number
}

/** `sluice ping`: is a Flow, or an Executor, ready? */
export function pingCommand(): Command {
  return reaching(
    new Command('ping')
      .summary('ask a Flow, or an Executor, whether it is ready')
      .description('Asks a server whether its Flow, with all its executors, is ready.'),
  )
    .option('--attempts <n>', 'how often to ask, a second apart, before giving up', integer, 1)
    .option('--timeout <ms>', 'milliseconds to wait for each answer', integer, 3000)
    .addHelpText(
      'after',
      `
Examples:
  $ sluice ping grpc://127.0.0.1:51000
  $ sluice ping http://127.0.0.1:8080 --attempts 30 && ./start-jobs.sh

Exit codes:
  0  it is ready     1  it is not, or nobody answers     2  the command line makes no sense`,
    )
    .action(ping)
}

async function ping(address: string, { attempts, timeout, ...reach }: PingOptions): Promise<void> {
  await using client = await clientOf(address, reach, { timeout, connectTimeout: reach.connectTimeout ?? timeout })
  for (let attempt = 1; ; attempt++) {
    const start = now()
    if (await client.isFlowReady({ timeout })) {
      process.stdout.write(`${address} is ready (${(now() - start).toFixed(0)} ms)\n`)
      return
    }
    if (attempt >= attempts) break
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
  // It said no more than no: a request says why.
  const reason = await client
    .post(DRY_RUN)
    .drain()
    .then(() => '', explain)
  process.stderr.write(`sluice: ${address} is not ready${attempts > 1 ? `, asked ${attempts} times` : ''}${reason && `. ${reason}`}\n`)
  throw new Failed()
}
