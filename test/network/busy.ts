import { Flow } from '../../lib/index.js'

// Hears nothing for so many milliseconds when it is asked, as who computes: it sleeps instead, which leaves the cores to the tests.
const time = Number(process.argv[2])
const cell = new Int32Array(new SharedArrayBuffer(4))
const flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0 })
  .add({
    uses({ docs }) {
      process.send!('asked')
      Atomics.wait(cell, 0, 0, time)
      for (const doc of docs) doc.text = 'done'
    },
  })
  .open()
process.send!(Number(new URL(flow.addresses.http!).port))
