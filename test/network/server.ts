// A gateway in a process of its own, for those who kill it: tells its addresses, and hangs when it is asked to.
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'

const flow = await new Flow()
  .add({
    name: 'worker',
    uses: async ({ docs }) => {
      if (docs.texts.includes('hang')) await new Promise(() => {})
    },
  })
  .open()
const { addresses } = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
process.send!(addresses)
