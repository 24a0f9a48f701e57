// A gateway in a process of its own, whose heap is small: how large answers are is told. Says its port, and what it holds when it is asked.
import { Flow } from '../../lib/flow/flow.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Executor } from '../../lib/index.js'

const size = Number(process.argv[2])
const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

class Worker extends Executor {
  static requests = { '/in': 'take', '/big': 'big', '/small': 'small' } as const
  async take() {
    await wait()
    return []
  }
  async big() {
    await wait()
    return [{ text: 'x'.repeat(size) }]
  }
  small() {}
}

const flow = await new Flow().add({ uses: Worker }).open()
const gateway = await Gateway.serve(flow, {
  protocol: ['grpc', 'http', 'websocket'],
  graphql: { maxBodyBytes: 32 << 20 },
  host: '127.0.0.1',
})
process.on('message', () => process.send!(process.memoryUsage()))
process.on('disconnect', () => process.exit())
process.send!(gateway.port)
