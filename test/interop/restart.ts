// Python's clients ask on and on, while executors elsewhere and the gateway before them are restarted, one by one.
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { Service } from '../support/service.js'
import { within } from '../support/within.js'
import { client } from './process.js'
import { interop } from './python.js'

const portOf = ({ addresses }: Flow<any>): number => Number(new URL(addresses.grpc!).port)

const executor = (port: number) =>
  new Flow({ protocol: 'grpc', port })
    .add({ name: 'work', uses: async ({ docs }) => pause(5).then(() => docs.forEach((doc) => void (doc.text += '!'))) })
    .open()

await interop(test, (python) => {
  test('155, 205: two executors elsewhere and the gateway are restarted under the load of Python’s stubs and Client: no call fails', async () => {
    const executors = [await executor(0), await executor(0)]
    const ports = executors.map(portOf)
    // Who has just been led here may not have said anything yet: drainDelay is for them.
    const gateway = () =>
      new Flow({ protocol: 'grpc', port: 0, drainDelay: 500 })
        .add({ name: 'encode', external: true, host: ports.map((port) => `grpc://127.0.0.1:${port}`) })
        .open()
    let front = await gateway()
    await using service = await Service.before(portOf(front))
    await using load = client(python)
    await within(60_000, load.ask({ do: 'load', address: `grpc://127.0.0.1:${service.port}` }))
    let answered = 0
    /** Until so many more are answered. */
    const more = async (count: number): Promise<void> => {
      for (const until = answered + count; answered < until; await pause(20)) {
        const told = await within(20_000, load.ask({ do: 'loaded' }))
        assert.equal(told.failures, [])
        answered = told.answered
      }
    }
    for (let round = 0; round < 2; round++) {
      for (const at of [0, 1]) {
        await more(50)
        await within(20_000, executors[at]!.close())
        await more(20)
        executors[at] = await executor(ports[at]!)
      }
      await more(50)
      const next = await gateway()
      service.target = portOf(next)
      await within(20_000, front.close())
      front = next
    }
    await more(50)
    const { failures } = await within(20_000, load.ask({ do: 'unload' }))
    assert.equal(failures, [])
    for (const one of [front, ...executors]) await one.close()
  })
})

test.run()
