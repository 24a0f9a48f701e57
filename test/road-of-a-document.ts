// Which files of lib/ one document crosses, by V8's own count of what was called. With a word after it, the files are named:
//   node --import tsx test/road-of-a-document.ts files
import { Session } from 'node:inspector/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../lib/client/index.js'
import { Gateway } from '../lib/gateway/index.js'
import { type Call, Executor, Flow } from '../lib/index.js'

/** The most files, as docs/house.md says. One more is a reason to look whether a subject was cut in two. */
const MOST = { inline: 31, grpc: 86 }

const LIB = new URL('../lib/', import.meta.url).href

/** The files with a function that runs while something is done for the fourth time: by then, what loads on demand is there. */
async function filesOf(once: () => Promise<unknown>): Promise<string[]> {
  for (let warm = 0; warm < 3; warm++) await once()
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
    // The first answer counts from the start of the process: what is asked for next, from here.
    await session.post('Profiler.takePreciseCoverage')
    await once()
    const { result } = await session.post('Profiler.takePreciseCoverage')
    return result
      .filter(({ url, functions }) => url.startsWith(LIB) && functions.some(({ functionName, ranges }) => functionName !== '__name' && ranges[0]!.count > 0))
      .map(({ url }) => url.slice(LIB.length))
      .sort()
  } finally {
    session.disconnect()
  }
}

class Upper extends Executor {
  static requests = { '/up': 'up' }
  up({ docs }: Call): void {
    for (const doc of docs) doc.text = doc.text.toUpperCase()
  }
}

/** Where it takes long, as on a busy machine, those who watch over idle connections run beside it, but not each time. */
async function hold(name: keyof typeof MOST, once: () => Promise<unknown>): Promise<void> {
  let files = await filesOf(once)
  for (let tries = 1; tries < 20 && files.length > MOST[name]; tries++) files = await filesOf(once)
  if (process.argv.length > 2) console.log(`${name}: ${files.length} files\n  ${files.join('\n  ')}`)
  assert.ok(files.length <= MOST[name], `${files.length} files, not ${MOST[name]}:\n${files.join('\n')}`)
}

test('the road of a document inline is short', async () => {
  await using flow = await new Flow().add({ uses: Upper }).open()
  await hold('inline', () => flow.post('/up', ['a']).drain())
})

test('the road of a document over gRPC is short, both ends counted', async () => {
  await using flow = await new Flow().add({ uses: Upper }).open()
  await using gateway = await Gateway.serve(flow, { protocol: 'grpc' })
  await using client = new Client(gateway.addresses.grpc!)
  await hold('grpc', () => client.post('/up', ['a']).drain())
})

test.run()
