// A process of its own that writes documents, or does as it is told:
//   writer.ts <path> <name> <count>        appends so many, and says how many there are then
//   writer.ts <path> <name> forever <n>    appends n at a time until it is killed, and says what is on disk
import { parentPort, workerData } from 'node:worker_threads'
import { DocumentArrayMemmap } from '../../../lib/doc/index.js'

const [path, name, count, size = '1'] = (workerData ?? process.argv.slice(2)) as [string, string, string, string?]
const array = new DocumentArrayMemmap(path)
const say = (text: string): void => {
  if (parentPort === null) process.stdout.write(`${text}\n`)
  else parentPort.postMessage(text)
}
if (count === 'forever') {
  for (let at = 0; ; ) {
    await array.extend(Array.from({ length: Number(size) }, () => ({ id: `${name}-${at}`, text: `${name} ${at++} ${'x'.repeat(500)}` })))
    await array.flush()
    say(String(at))
  }
} else {
  for (let at = 0; at < Number(count); at++) await array.append({ id: `${name}-${at}`, text: `${name} ${at}` })
  say(String(await array.length))
  await array.close()
}
