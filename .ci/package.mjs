// Packs the package, installs it into an empty folder, and uses it there as a stranger would.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'sluice-package-'))
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

try {
  const [{ filename, files }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  const stray = files
    .map(({ path }) => path)
    .filter((path) => !/^(dist\/|docs\/(guarantees|yaml|protocol)\.md$|docs\/flow\.svg$|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE$)/.test(path))
  if (stray.length > 0) throw new Error(`The package holds what it should not: ${stray.join(', ')}`)

  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }')
  // Without install scripts: there must be none to miss.
  run(
    'npm',
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `./${filename}`,
    `typescript@${JSON.parse(readFileSync(join(root, 'node_modules/typescript/package.json'), 'utf8')).version}`,
    '@types/node@20',
  )

  writeFileSync(
    join(folder, 'use.ts'),
    `import { type Call, Executor, Flow } from 'sluice'
import { createGraphQL } from 'sluice/graphql'
import { inFlight } from 'sluice/stream'
import { fromNdjson } from 'sluice/doc'

class Upper extends Executor<{ mark: string }> {
  static requests = { '/up': 'up' }
  up({ docs }: Call): void {
    for (const doc of docs) doc.text = doc.text.toUpperCase() + this.config.mark
  }
}
const flow = await new Flow().add({ name: 'upper', uses: Upper, usesWith: { mark: '!' } }).open()
const { texts } = await flow.post('/up', fromNdjson(['{"text": "a"}\\n{"text": "b"}\\n'])).docs()
const body = JSON.stringify({ query: 'mutation { docs(data: { text: "c" }, execEndpoint: "/up") { text } }' })
const answer = await createGraphQL(flow).fetch(new Request('http://localhost/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body }))
const squares: number[] = []
for await (const square of inFlight([1, 2, 3], async (n) => n * n, { limit: 2, ordered: true })) squares.push(square)
console.log(JSON.stringify({ texts, answer: await answer.json(), squares }))
await flow.close()
`,
  )
  run(
    'npx',
    'tsc',
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--lib',
    'es2023,esnext.disposable,esnext.decorators,dom,dom.asynciterable',
    '--types',
    'node',
    'use.ts',
  )
  const output = run('node', 'use.js')
  const expected = JSON.stringify({ texts: ['A!', 'B!'], answer: { data: { docs: [{ text: 'C!' }] } }, squares: [1, 4, 9] })
  if (output.trim() !== expected) throw new Error(`A stranger saw ${output} instead of ${expected}`)

  writeFileSync(join(folder, 'executors.js'), 'export const shout = ({ docs }) => { for (const doc of docs) doc.text += "!" }\n')
  writeFileSync(join(folder, 'flow.yml'), 'jtype: Flow\nexecutors:\n  - name: shout\n    uses: ./executors.js#shout\n')
  writeFileSync(join(folder, 'in.ndjson'), '{"id": "1", "text": "a"}\n')
  run('npx', 'sluice', 'run', 'flow.yml', '--input', 'in.ndjson', '--output', 'out.ndjson')
  const written = JSON.parse(readFileSync(join(folder, 'out.ndjson'), 'utf8'))
  if (written.text !== 'a!') throw new Error(`sluice run wrote ${JSON.stringify(written)}`)
  console.log(`The package works from an empty folder (${files.length} files).`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
