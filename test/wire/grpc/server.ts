// A server in a process of its own: tells its address, and hangs when it is asked to.
import { Flow } from '../../../lib/index.js'
import { serveGrpc as serve } from '../../support/serving.js'

const flow = await new Flow()
  .add({
    name: 'worker',
    uses: async ({ docs }) => {
      if (docs[0]!.text === 'hang') await new Promise(() => {})
    },
  })
  .open()
process.send!((await serve(flow)).address)
