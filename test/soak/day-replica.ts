// A replica of a day in production: it works for 5 ms, or hangs until nobody waits any more, as documents say, and closes when it is told to.
import { type Call, Flow } from 'sluice'

const flow = new Flow({ protocol: 'grpc', port: Number(process.argv[2]), closeTimeout: 2000, onError: () => {} }).add({
  name: 'work',
  concurrency: 32,
  async uses({ docs, signal }: Call) {
    const hangs = docs.some(({ text }) => text.startsWith('hang'))
    await new Promise<void>((resolve) => (hangs ? signal.addEventListener('abort', () => resolve()) : setTimeout(resolve, 5)))
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
