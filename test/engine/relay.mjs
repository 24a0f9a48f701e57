// What runs in the containers of the contract: functions of a suite cannot go into one. So it says to the suite what it was told, as `sluice executor` is, and hands on each connection to
// what the suite serves then: one for each container, begun and closed with it.
import { connect, createServer } from 'node:net'

const SOCKET = '/relay/socket'
const argv = process.argv.slice(2)
const told = (flag) => argv[argv.indexOf(flag) + 1]

const door = connect(SOCKET)
door.write(`${JSON.stringify({ argv, env: process.env })}\n`)
const end = (code, text = '') => process.stderr.write(text, () => process.exit(code))
// Whoever is gone needs nothing more.
door.on('error', () => end(1)).on('close', () => end(1))
process.on('SIGTERM', () => door.write('close\n'))

let said = ''
door.setEncoding('utf8').on('data', (text) => {
  const lines = `${said}${text}`.split('\n')
  said = lines.pop()
  for (const line of lines) {
    const { at, failed, closed } = JSON.parse(line)
    if (failed !== undefined) end(1, failed)
    if (closed !== undefined) end(0)
    if (at !== undefined) listen(at)
  }
})

function listen(at) {
  createServer((near) => {
    const far = connect(SOCKET)
    far.write(`${JSON.stringify({ at })}\n`)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ])
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
    near.pipe(far).pipe(near)
  }).listen(Number(told('--port')), told('--host'))
}
