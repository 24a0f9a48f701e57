import { test } from 'uvu'
import { DaemonRun, sendable, TOKEN } from '../support/daemon.js'
import { workers } from './workers.js'

const daemon = await DaemonRun.begin()
workers(test, 'daemon', {
  there: { host: daemon.address, token: TOKEN },
  sent: (module) => sendable(daemon.folder, module),
  executors: async () => (await daemon.status()).executors,
})
test.after(() => daemon.end())
test.run()
