// An executor, or a gateway before two of them, that is restarted under load: it closes when it is told to.
import { Flow } from 'sluice'

const [port, ...hosts] = process.argv.slice(2)
const flow = new Flow({ protocol: 'grpc', port: Number(port), onError: () => {} })
if (hosts.length > 0) flow.add({ name: 'outside', external: true, host: hosts })
else
  flow.add({
    name: 'work',
    uses: async ({ docs }) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      for (const doc of docs) doc.text += '!'
    },
  })
await flow.open()
process.on('message', async () => {
  await flow.close()
  process.send!('closed', () => process.exit())
})
process.on('disconnect', () => process.exit())
process.send!({ addresses: flow.addresses })
