// Runs suites in this process, one after the other, each with totals of its own behind a line that names it. test/run.mjs begins it.
//   node test/together.mjs <compiled suite> …
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

// uvu waits to be asked, then, as its own command has it.
globalThis.UVU_DEFER = true
const { exec } = await import('uvu')
let worst = 0
for (const file of process.argv.splice(2)) {
  const began = performance.now()
  globalThis.UVU_QUEUE.splice(0, Infinity, [null])
  console.log(`\n── ${file}`)
  await import(pathToFileURL(resolve(file)).href)
  await exec()
  console.log(`  Took:      ${((performance.now() - began) / 1000).toFixed(1)} s`)
  worst ||= Number(process.exitCode)
}
process.exitCode = worst
