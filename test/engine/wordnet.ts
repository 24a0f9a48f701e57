// The example of a cluster, brought up by its one command on a real engine: it indexes, and answers; and while it indexes, each of its containers dies, that of the queue too.
// Its image is built of its Dockerfile, on an image of this machine's node and npm, which image.mjs makes.
// By tsx: it reads the example's own TypeScript, which stands outside of what is compiled.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WordNet } from '../../examples/wordnet/wordnet.js'
import { Client } from '../../lib/client/index.js'
import { Folder } from '../support/folder.js'
import { natsServerFile, WITHOUT } from '../support/nats.js'
import { deadPort } from '../support/nobody.js'
import { within } from '../support/within.js'
import { docker, withEngine } from './engine.js'
import { makeExample, makeNats } from './image.mjs'
import { hasCompose, Project, until } from './project.js'

/** Documents that the example is told to index. */
const LIMIT = 2000
const SERVICES = ['store', 'nats', 'tokenize', 'score']
const folder = new Folder()

/** An image by this name, unless there is one. @returns takes it away again */
async function image(name: string, make: (name: string) => Promise<unknown>): Promise<() => void> {
  if (docker('image', 'ls', '--quiet', name) !== '') return () => {}
  await make(name)
  return () => void docker('image', 'rm', '--force', name)
}

function ran(signal: AbortSignal, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: ['ignore', 'pipe', 'pipe'], signal })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
  return new Promise((resolve, reject) =>
    child.on('error', reject).on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`ended with ${code}: ${said}`)))),
  )
}

withEngine(test, () => {
  if (!hasCompose(test)) return
  if (natsServerFile === undefined) {
    console.log(WITHOUT)
    test('there is no nats-server', () => {})
    return
  }

  test('F14, 64: the example of a cluster comes up by one command, indexes, and finds; each of its containers dies meanwhile, and nothing is lost or there twice', async () => {
    const port = await deadPort()
    // Its own files, at a port that is free here.
    for (const name of ['docker-compose.yml', 'docker-compose.flow.yml'])
      folder.file(name, readFileSync(join('examples/wordnet', name), 'utf8').replaceAll('51000', String(port)))
    const project = new Project(join(folder.path, 'docker-compose.yml'))
    let over = false
    const left = new AbortController()
    const images = [await image('nats:2', (name) => makeNats(name, natsServerFile!)), await image('sluice-wordnet:1', makeExample)]
    try {
      project.compose('up', '-d')
      const address = `grpc://127.0.0.1:${port}`
      await using client = new Client(address, { retries: { attempts: Infinity, delay: 50, maxDelay: 500 }, retryBudget: Infinity })
      const ready = await until(() => client.isFlowReady(), 60_000)
      const began = performance.now()
      const said = await within(90_000, ran(left.signal, 'examples/wordnet/cluster.ts', '--server', address, '--limit', String(LIMIT)))
      const took = Math.round(performance.now() - began)
      assert.match(said, new RegExp(`^${LIMIT} documents are in the index$`, 'm'))
      assert.match(said, /fear of spiders\n( +\d+\.\d\d {2}.+\n){3}/)

      let [asked, answered] = [0, 0]
      const inputs = async function* () {
        for await (const synset of new WordNet(Infinity)) {
          if (over) return
          asked++
          yield synset
        }
      }
      const load = (async () => {
        for await (const { docs } of client.post('/index', inputs, { requestSize: 20, prefetch: 8 })) answered += docs.length
      })()
      const times: string[] = []
      for (const service of ['gateway', ...SERVICES]) {
        const [id] = project.running(service)
        const from = answered
        const killed = performance.now()
        await project.kill(id!, () => until(() => answered > from, 60_000))
        times.push(`${service} ${Math.round(performance.now() - killed)}`)
      }
      over = true
      await within(90_000, load)
      assert.is(answered, asked)
      const [status] = await client.post('/status').toArray()
      assert.is((status as any).parameters.__results__.store.documents, Math.max(asked, LIMIT))
      console.log(
        `wordnet: ready after ${ready} ms; ${LIMIT} documents in ${took} ms; killed, and answering again after ms: ${times.join(', ')}; of ${asked} none was lost`,
      )
    } catch (error) {
      for (const service of ['gateway', ...SERVICES]) console.log(project.logs(service))
      throw error
    } finally {
      over = true
      left.abort()
      project.down()
      for (const remove of images) remove()
    }
  })
})

test.run()
