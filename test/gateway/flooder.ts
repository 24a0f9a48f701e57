// A client in a process of its own that asks as much as it can: kind, port, connections, and calls of each.
import { connect } from 'node:net'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { encodeMessage } from '../../lib/wire/proto/index.js'
import { Raw } from '../wire/grpc/raw.js'
import { frame, raw } from '../wire/websocket/support.js'

const [kind, ...numbers] = process.argv.slice(2)
const [port, connections, calls] = numbers.map(Number) as [number, number, number]
const json = '{"execEndpoint":"/flood"}'
const bytes = Buffer.from(encodeMessage(emptyMessage({ requestId: 'one', execEndpoint: '/flood' })))

const kinds: Record<string, () => void> = {
  streams() {
    const line = new Raw(`127.0.0.1:${port}`)
    for (let at = 0; at < calls; at++) {
      const call = line.bidi(METHODS.call)
      call.on('error', () => {})
      call.on('data', () => call.write(bytes))
      for (let ahead = 0; ahead < 64; ahead++) call.write(bytes)
    }
  },
  unary() {
    const line = new Raw(`127.0.0.1:${port}`)
    const ask = (): void => void line.unary(METHODS.single, bytes).then(ask)
    for (let at = 0; at < calls; at++) ask()
  },
  async websocket() {
    const socket = await raw(port)
    const chunk = Buffer.concat(Array.from({ length: 100 }, () => frame(1, json)))
    const write = (): void => {
      while (socket.write(chunk));
    }
    socket.resume().on('drain', write)
    write()
  },
  http() {
    const request = `POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(request.repeat(calls))
    socket.on('data', (data) => socket.write(request.repeat(String(data).split('HTTP/1.1 200').length - 1)))
  },
}

for (let at = 0; at < connections; at++) kinds[kind!]!()
