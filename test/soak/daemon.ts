// A daemon and its executors that are killed at random: every request is answered once, and none is lost.
//   SOAK_COUNT=200 node --import tsx test/soak/daemon.ts

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Flow } from 'sluice'
import { killed, Processes, WORK } from './kills.js'
import { conclude, count } from './report.js'

/** Of so many kills, one is that of the daemon. */
const DAEMON = 4

const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
const TOKEN = 'a-token-of-the-soak'
writeFileSync(join(folder, 'token'), TOKEN)

let daemon: ChildProcess
let port = 0
async function begin(): Promise<void> {
  const args = ['daemon', '--port', String(port), '--folder', join(folder, 'daemon'), '--token-file', join(folder, 'token')]
  daemon = spawn(process.execPath, [resolve('dist/cli/main.js'), ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    daemon.stderr!.on('data', (text) => {
      said += text
      const [, found] = /^sluice daemon at http:\/\/\S+:(\d+)$/m.exec(said) ?? []
      if (found === undefined) return
      port = Number(found)
      resolve()
    })
    daemon.on('close', (code) => reject(new Error(`the daemon ended with ${code}: ${said}`)))
  })
}
await begin()
process.on('exit', () => daemon.kill('SIGKILL'))

const there = { runtime: 'daemon', host: `http://127.0.0.1:${port}`, token: TOKEN, lease: 60_000 } as const
const flow = await new Flow<any>()
  // Chance may kill beside one request more than three times.
  .add({ name: 'work', uses: `${WORK}#Work`, parallel: 2, maxDeaths: 20, ...there } as any)
  .open()
const processes = new Processes(flow)
let [ended, away] = [0, false]
const victims = {
  get killed() {
    return processes.killed + ended
  },
  heard: processes.heard.bind(processes),
  kill(): boolean {
    if (away) return false
    if (this.killed % DAEMON !== DAEMON - 1) return processes.kill()
    away = true
    daemon.removeAllListeners('close').once('close', () => begin().then(() => (away = false)))
    daemon.kill('SIGKILL')
    ended++
    return true
  },
}
const what = (): string => `${count(processes.killed)} SIGKILLs of executors at a daemon, ${count(ended)} of the daemon`
const rows = await killed(flow, victims, what)
/** Beside what says whose folder it is. Folders are put aside at once, and removed then. */
const leftNow = (): number => readdirSync(join(folder, 'daemon', String(port))).filter((name) => !['node_modules', 'lock', 'passing'].includes(name)).length
for (let looks = 0; leftNow() > 0 && looks < 100; looks++) await new Promise((resolve) => setTimeout(resolve, 50))
const left = leftNow()
daemon!.kill('SIGKILL')
rmSync(folder, { recursive: true, force: true })
conclude([...rows, { what: `${what()}: executors left when the Flow was closed`, bound: '0', seen: count(left), met: left === 0 }])
