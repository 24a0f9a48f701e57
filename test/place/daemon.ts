import { test } from 'uvu'
import { DaemonRun, sendable, TOKEN } from '../support/daemon.js'
import { workers } from './workers.js'

const daemon = await DaemonRun.begin()
workers(test, 'daemon', { there: { host: daemon.address, token: TOKEN }, module: sendable(daemon.folder, 'test/place/doing') })
test.after(() => daemon.end())
test.run()
