// The process that a page looks at: a Flow of three executors, one of which fails now and then. It is asked for its memory.
import { type Call, Flow } from 'sluice'
import { heap } from '../support/gc.js'

const work = ({ docs, endpoint }: Call): void => {
  if (endpoint === '/fail') throw new Error('as it was told')
  for (const doc of docs) doc.text += '!'
}

const flow = await new Flow({ name: 'looked at' })
  .add({ name: 'read', uses: work })
  .add({ name: 'think', parallel: 2, uses: work })
  .add({ name: 'store', uses: work })
  .open({ serve: { protocol: ['grpc', 'http'], port: 0, ui: { documents: true }, onError: () => {} } })
process.on('message', async (word) => {
  if (word === 'close') process.exit(0)
  process.send!({ heap: await heap() })
})
process.on('disconnect', () => process.exit())
process.send!({ addresses: flow.addresses })
