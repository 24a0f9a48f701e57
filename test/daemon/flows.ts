// Flows that have their executors at a daemon, for the suites here.
import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { type AddOptions, Flow } from '../../lib/index.js'
import { type DaemonRun, sendable } from '../support/daemon.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
export const THERE = sendable(folder, 'test/daemon/doing')

/** A Flow whose executor is at a daemon. */
export const flowAt = (daemon: DaemonRun, options: Partial<AddOptions> = {}): Flow<any> =>
  new Flow<any>().add({ name: 'gpu', uses: `${THERE}#There`, ...daemon.there, ...options } as any)

export const error = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it did not fail'),
    (error) => error,
  )

export const about = async (flow: Flow<any>): Promise<any> => ((await flow.post('/about', ['x']).docs()) as any)[0].tags
/** Executors of which there is a folder. */
export const entries = (of: DaemonRun): string[] => readdirSync(of.home).filter((name) => !['node_modules', 'lock', 'passing'].includes(name))
