// Looks at the live page as so many browsers do, and reads what comes: in a process of its own, so that who asks the server is not held up by it.
//   node bench/viewers-look.mjs http://127.0.0.1:1234 1000
import { connect } from 'node:net'
import { setPriority } from 'node:os'

const { port, hostname } = new URL(process.argv[2])
const count = Number(process.argv[3])
// Browsers are elsewhere: they take no time from the server, nor from who asks it.
setPriority(19)

const look = () =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(`GET /ui/events HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`))
    socket.once('data', () => resolve())
    socket.on('data', () => {})
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('a viewer was hung up on')))
  })

// Some at once: no server takes a thousand connections in one turn.
for (let left = count; left > 0; left -= 50) await Promise.all(Array.from({ length: Math.min(50, left) }, look))
process.send('looking')
process.on('disconnect', () => process.exit(0))
