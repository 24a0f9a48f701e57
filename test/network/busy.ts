import { Flow } from '../../lib/index.js'

// Computes when it is asked, for so many milliseconds.
const time = Number(process.argv[2])
const flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0 })
  .add({
    uses({ docs }) {
      process.send!('asked')
      const end = performance.now() + time
      while (performance.now() < end);
      for (const doc of docs) doc.text = 'done'
    },
  })
  .open()
process.send!(Number(new URL(flow.addresses.http!).port))
