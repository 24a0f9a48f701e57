// A gateway in a process of its own, so that what it costs can be told from what a flood of it costs.
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'

const flow = await new Flow().add({ name: 'worker', uses: () => {} }).open()
const gateway = await Gateway.serve(flow, JSON.parse(process.argv[2] ?? '{}') as GatewayOptions)
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send!({ cpu: (user + system) / 1e6, rss: process.memoryUsage.rss() / 1e6, handles: process.getActiveResourcesInfo().length })
})
process.send!(gateway.port)
