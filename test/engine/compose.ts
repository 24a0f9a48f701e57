// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so look the variables that nothing may become
// The exported file of Compose, brought up on a real engine: it answers on every wire, and loses nothing when its containers die or there are more and fewer of them.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'
import { deadPort } from '../support/nobody.js'
import { withEngine } from './engine.js'
import { hasCompose, Project, pause, until } from './project.js'

const folder = new Folder()

withEngine(test, (image) => {
  if (!hasCompose(test)) return
  const file = join(folder.path, 'docker-compose.yml')
  const project = new Project(file)
  const running = (service: string): string[] => project.running(service)

  test('F13, 64, 123, 140: up, answers on every wire; each container is killed in turn, and there are 2, 1, 3 and 1 executors, under load: nothing is lost', async () => {
    const port = await deadPort()
    const odd = 'a "b" $(id) $HOME ${HOME:-x} `c`\n- privileged: true'
    const flow = new Flow<any>({ name: 'composed', protocol: ['grpc', 'http', 'websocket'], port, graphql: true }).add({
      name: 'doing',
      uses: './test/engine/executor.js#Doing',
      usesWith: { text: odd },
      env: { ODD: odd },
      parallel: 2,
    } as any)
    await flow.toDockerComposeYaml(file, { image: image.replace('docker://', ''), root: 'test/engine' })
    let over = false
    try {
      project.compose('up', '-d')
      const wires = { grpc: `grpc://127.0.0.1:${port}`, http: `http://127.0.0.1:${port}`, websocket: `ws://127.0.0.1:${port}` }
      await using client = new Client(wires.grpc, { retries: { attempts: Infinity, delay: 50, maxDelay: 500 }, retryBudget: Infinity })
      const ready = await until(() => client.isFlowReady(), 60_000)
      const about = async (one: Client): Promise<any> => (await one.post('/about', ['x']).docs())[0]!.tags
      for (const address of Object.values(wires)) {
        await using one = new Client(address)
        const { env, config, capabilities, privileges, root, name } = await about(one)
        assert.equal([env, config, capabilities, privileges, root, name], [{ ODD: odd }, { text: odd }, capabilities, '1', 'EROFS', 'doing'])
        assert.match(capabilities, /^0+$/)
      }
      await using http = new Client(wires.http)
      const { data } = await http.mutate('mutation { docs(data: { text: "x" }, execEndpoint: "/slow") { text } }')
      assert.equal(data.docs, [{ text: 'x!' }])

      const hosts: string[] = []
      const failures: unknown[] = []
      const ask = async (): Promise<void> => {
        while (!over) {
          await about(client).then(
            ({ processEnv }) => hosts.push(processEnv.HOSTNAME),
            (error) => failures.push(error),
          )
          await pause(5)
        }
      }
      const load = Promise.all(Array.from({ length: 4 }, ask))
      const more = (count: number): Promise<number> => {
        const from = hosts.length
        return until(() => hosts.length >= from + count, 60_000)
      }
      const times: string[] = []
      for (const [service, id] of [...running('doing').map((id) => ['doing', id]), ...running('gateway').map((id) => ['gateway', id])] as [string, string][]) {
        const alive = running('doing')
        for (const other of alive) await until(() => hosts.slice(-40).includes(other.slice(0, 12)), 60_000)
        await project.kill(id, async () => times.push(`${service} killed: the next 20 answers took ${await more(20)} ms`))
        await project.listens(id, service === 'gateway' ? port : 8080)
      }
      project.compose('up', '-d', '--no-recreate', '--scale', 'doing=1')
      await more(20)
      const first = new Set(running('doing'))
      project.compose('up', '-d', '--no-recreate', '--scale', 'doing=3')
      const came = running('doing').filter((id) => !first.has(id))
      assert.is(came.length, 2)
      for (const id of came) await project.listens(id, 8080)
      // In less than 5 s on a machine that has nothing else to do; what it was is said below.
      const used = await until(() => came.every((id) => hosts.includes(id.slice(0, 12))), 30_000)
      times.push(`1 to 3: used ${used} ms after they listened`)
      project.compose('up', '-d', '--no-recreate', '--scale', 'doing=1')
      await more(50)
      over = true
      await load
      assert.equal(failures.map(String), [])
      console.log(`compose: ready after ${ready} ms; ${times.join('; ')}; 3 to 1; of ${hosts.length} requests none was lost`)
    } finally {
      over = true
      project.down()
    }
  })
})

test.run()
