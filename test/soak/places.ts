// Processes that are killed at random: every request is answered once, and none is lost.
//   SOAK_COUNT=1000 node --import tsx test/soak/places.ts

import { Flow } from 'sluice'
import { killed, Processes, WORK } from './kills.js'
import { conclude, count } from './report.js'

const flow = await new Flow<any>()
  // Chance may kill beside one request more than three times.
  .add({ name: 'work', uses: `${WORK}#Work`, runtime: 'process', parallel: 2, maxDeaths: 20 } as any)
  .open()
const processes = new Processes(flow)
conclude(await killed(flow, processes, () => `${count(processes.killed)} SIGKILLs of their processes`))
