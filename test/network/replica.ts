// A replica of an executor in a process of its own, for those who kill it: tells its port, and then of each request that it holds for ever.
import { Flow } from '../../lib/index.js'
import { serveGrpc as serve } from '../support/serving.js'

const [, , name, hangs] = process.argv
const flow = await new Flow()
  .add({
    uses: async ({ docs }) => {
      if (hangs === 'hangs') {
        process.send!('holds')
        await new Promise(() => {})
      }
      for (const doc of docs) doc.text += ` by ${name}`
    },
  })
  .open()
process.send!((await serve(flow)).port)
