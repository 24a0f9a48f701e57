// A page that is looked at while a million requests go by: what it holds, and what the server holds for it, stays as it is.
import { existsSync } from 'node:fs'
import { Client } from 'sluice/client'
import { CHROMIUM, QUIET } from '../browser/support.js'
import { Child } from './child.js'
import { conclude, count, megabytes } from './report.js'

const COUNT = Number(process.env['SOAK_COUNT'] ?? 1_000_000)
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? Infinity)
/** Megabytes by which what is left after a collection may grow: of the page, and of the server. */
const PAGE = 3
const SERVER = 8
/** One of so many fails. */
const FAILS = 50
/** What is compiled and kept is there before memory is looked at: a page keeps 100 requests, and 100 that failed. */
const WARM = Math.min(COUNT, Math.max(10_000, COUNT / 10))

if (!existsSync(CHROMIUM)) {
  console.log(`skipped: no Chromium at ${CHROMIUM}, for the page that is looked at`)
  process.exit(0)
}
const start = performance.now()
const server = new Child('./live-server.ts')
server.lives.catch((error) => {
  console.error(error)
  process.exit(1)
})
const { addresses } = await server.says()
const client = new Client(addresses.grpc)
const { chromium } = await import('playwright-core')
const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET })
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
const complaints: string[] = []
page.on('pageerror', (error) => complaints.push(error.message))
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
})
const devtools = await page.context().newCDPSession(page)
await devtools.send('Performance.enable')
await page.goto(`${addresses.http}/ui`)
await page.locator('#executors button').first().waitFor()

const total = async (name: string): Promise<number> =>
  Number((await page.locator('#totals div', { hasText: name }).locator('dd').textContent())!.replaceAll(',', ''))

let sent = 0
let failed = 0
async function go(until: number): Promise<void> {
  while (sent < until && performance.now() - start < SECONDS * 1000) {
    const many = Math.min(FAILS * 20, until - sent)
    const failing = Math.floor(many / FAILS)
    await client.post('/go', Array(many - failing).fill('x'), { requestSize: 1, prefetch: 64 }).drain()
    await client.post('/fail', Array(failing).fill('x'), { requestSize: 1, continueOnError: true }).drain()
    sent += many
    failed += failing
  }
}

/** What is held once the page has all. */
async function held(): Promise<{ page: number; nodes: number; server: number }> {
  while ((await total('answered')) + (await total('failed')) < sent) await page.waitForTimeout(250)
  // Twice: what ends in the first may let go of more.
  for (let time = 0; time < 2; time++) await devtools.send('HeapProfiler.collectGarbage')
  const { metrics } = await devtools.send('Performance.getMetrics')
  const of = (name: string): number => metrics.find((metric) => metric.name === name)!.value
  return { page: of('JSHeapUsedSize') / 1e6, nodes: of('Nodes'), server: (await server.ask()).heap }
}

await go(WARM)
const before = await held()
await go(COUNT)
const after = await held()
const [answered, refused] = [await total('answered'), await total('failed')]
await browser.close()
await client.close()
server.end()
const grown = { page: after.page - before.page, server: after.server - before.server, nodes: after.nodes - before.nodes }
console.log(
  `page ${megabytes(before.page)} → ${megabytes(after.page)}, ${before.nodes} → ${after.nodes} nodes; server ${megabytes(before.server)} → ${megabytes(after.server)}`,
)
conclude([
  { what: 'requests while a page looks, one of 50 failing', seen: count(sent), bound: count(COUNT), met: sent >= COUNT || SECONDS < Infinity },
  {
    what: 'the page counts them all',
    seen: `${count(answered)} and ${count(refused)} failed`,
    bound: `${count(sent - failed)} and ${count(failed)}`,
    met: answered === sent - failed && refused === failed,
  },
  { what: 'heap of the page after a collection: growth since the warm-up', seen: megabytes(grown.page), bound: `< ${PAGE} MB`, met: grown.page < PAGE },
  { what: 'nodes of the page: growth since the warm-up', seen: count(grown.nodes), bound: '< 500', met: grown.nodes < 500 },
  {
    what: 'heap of the server after a collection: growth since the warm-up',
    seen: megabytes(grown.server),
    bound: `< ${SERVER} MB`,
    met: grown.server < SERVER,
  },
  { what: 'what the page complains of', seen: complaints[0] ?? 'nothing', bound: 'nothing', met: complaints.length === 0 },
])
