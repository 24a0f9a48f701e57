// A client in a process whose environment names proxies: asks who it is told to, and tells what came back.
import { Client } from '../../lib/client/index.js'
import { texts, type Way } from './ways.js'

const { asked, ca } = JSON.parse(process.argv[2]!) as { asked: { way: Way; address: string; tls: boolean }[]; ca: string }
const answers: string[][] = []
for (const { way, address, tls } of asked) {
  await using client = new Client(address, { timeout: 3000, ...(tls && { tls: { ca } }) })
  answers.push(await texts(way, client, ['a']).catch((error) => [String(error)]))
}
process.send!(answers)
process.disconnect()
