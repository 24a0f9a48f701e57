// A Flow with an executor in a process, in a process that has few file handles: what is said, and whether it is well once there are some again.
import { closeSync, openSync } from 'node:fs'

const [sluice, uses] = process.argv.slice(2)
const { Flow } = await import(sluice)
const handles = []
const fill = () => {
  try {
    for (;;) handles.push(openSync('/dev/null', 'r'))
  } catch {}
}
const free = () => {
  for (const handle of handles.splice(0)) closeSync(handle)
}
const flowOf = () => new Flow({ closeTimeout: 1000 }).add({ name: 'doing', uses, runtime: 'process', maxDeaths: 1 })
const code = (error) => error.code ?? error.message
// What says yes to all, in the place of an engine: it is about what becomes of this process.
process.env.SLUICE_DOCKER = 'true'
const contained = () =>
  new Flow({ closeTimeout: 1000 })
    .add({ name: 'image', uses: 'docker://image' })
    .open()
    .then(() => 'open', code)
const first = await flowOf().open()
await contained()
fill()
const container = await contained()
const opening = await flowOf()
  .open()
  .then(() => 'open', code)
const dying = await first
  .post('/die', ['exit'])
  .docs()
  .then(() => 'answered', code)
// It was tried again meanwhile, in vain.
while (first.workers[0].reason?.includes('could not be started') !== true) await new Promise((resolve) => setTimeout(resolve, 5))
free()
const after = (await first.post('/die', ['good']).docs()).texts[0]
await first.close()
console.log(JSON.stringify({ opening, container, dying, after }))
