// Containers that docker kill ends at random: every request is answered once, and none is lost.
//   SOAK_COUNT=50 node .ci/engine.mjs node --import tsx test/soak/containers.ts
import { execFile } from 'node:child_process'
import { Flow } from 'sluice'
import { containers, docker, missing } from '../engine/engine.js'
import { IMAGE } from '../engine/image.mjs'
import { killed, random, WORK } from './kills.js'
import { conclude, count } from './report.js'

const why = missing()
if (why !== undefined) {
  console.log(`skipped: containers: ${why}. Run them by: node .ci/engine.mjs node test/soak/run.mjs containers`)
  process.exit(0)
}
const before = new Set(containers('work'))
const served = ['node', '/app/node_modules/sluice/dist/cli/sluice.js', 'executor', '/app/work.mjs#Work']
const flow = await new Flow<any>({ closeTimeout: 60_000 })
  // Chance may kill beside one request more than three times.
  .add({ name: 'work', uses: `docker://${IMAGE}`, entrypoint: served, volumes: `${WORK}:/app/work.mjs:ro`, parallel: 2, maxDeaths: 20 } as any)
  .open()

let away = false
const victims = {
  killed: 0,
  heard() {},
  kill(): boolean {
    const replica = random() < 0.5 ? 0 : 1
    if (away || flow.workers[replica]!.state !== 'up') return false
    // That of this process, of those of this replica.
    const all = docker('ps', '--quiet', '--filter', 'label=sluice.executor=work', '--filter', `label=sluice.replica=${replica}`).split('\n')
    const id = all.find((id) => id !== '' && !before.has(id))
    if (id === undefined) return false
    away = true
    execFile('docker', ['kill', id], (error) => {
      away = false
      if (error === null) victims.killed++
    })
    return true
  },
}
const what = (): string => `docker kill of ${count(victims.killed)} containers`
const rows = await killed(flow, victims, what)
const left = containers('work').filter((id) => !before.has(id)).length
conclude([...rows, { what: `${what()}: containers left when the Flow was closed`, bound: '0', seen: count(left), met: left === 0 }])
