// The same Flows, exported for Kubernetes by us and by Python's Jina, under the same checkers. Nothing in it depends on how fast the machine is.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Flow } from 'sluice'
import { interop, quiet } from '../test/interop/python.js'
import { faults, hasValidator, kubeScore, score, versions } from '../test/support/checkers.mjs'
import { atMost, elapsed, say, table, targets, title } from './report.js'

/** The image of both gateways. */
const GATEWAY = 'registry.example/flow:1.0.0'
const image = (name: string): string => `uses: docker://registry.example/${name}:1.0.0`
/** The executors of each, as both read them. Jina exports what has an image, and nothing else. */
const FLOWS: Readonly<Record<string, string>> = {
  'a chain of two': `
  - { name: encode, ${image('encode')} }
  - { name: rank, ${image('rank')} }`,
  'a fork and a join': `
  - { name: left, ${image('left')} }
  - { name: right, needs: gateway, ${image('right')} }
  - { name: both, needs: [left, right], ${image('both')} }`,
  'three replicas': `
  - { name: encode, replicas: 3, ${image('encode')} }`,
  'two shards, which all are asked': `
  - { name: index, shards: 2, polling: { '/search': ALL, '*': ALL }, ${image('index')} }`,
  'a volume': `
  - { name: index, volumes: ['models:/models'], ${image('index')} }`,
  'a GPU, and an environment': `
  - { name: encode, gpus: '1', env: { MODEL: small }, ${image('encode')} }`,
}

title('manifests', "What do checkers find in Kubernetes files of the same Flows: Jina's export, and ours?")
const folder = mkdtempSync(join(tmpdir(), 'sluice-manifests-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

interface Export {
  readonly files: readonly string[]
  /** Lines of kube-score. */
  readonly critical: readonly string[]
  readonly warnings: readonly string[]
  /** Files that are no valid ones, by what is said of them. */
  readonly invalid: ReadonlyMap<string, string>
}

const filesIn = (at: string): string[] =>
  readdirSync(at, { recursive: true })
    .map((name) => join(at, String(name)))
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()

/** What is said of them for any version of Kubernetes. */
async function judged(scorer: string, at: string): Promise<Export> {
  const files = filesIn(at)
  const invalid = new Map<string, string>()
  for (const said of await Promise.all(versions().map((version) => faults(version, files))))
    for (const line of said.split('\n')) {
      const file = files.find((name) => line.includes(name))
      if (file !== undefined) invalid.set(file, line.replace(file, '').trim())
      else if (line.trim() !== '') throw new Error(`kubernetes-validate says ${line}`)
    }
  const { critical, warnings } = await score(scorer, files)
  return { files, critical, warnings, invalid }
}

/** What kube-score says, without of which object, and of which of its containers. */
const kindOf = (line: string): string => line.replace(/^\[CRITICAL\] \S+ \S+: (?:\([^()]*\) )?/, '')

async function compare(python: string): Promise<void> {
  const scorer = await kubeScore()
  if (scorer === undefined || !(await hasValidator())) return
  const names = Object.keys(FLOWS)
  const ways: [string, string][] = []
  for (const [at, name] of names.entries()) {
    const source = join(folder, `${at}.yml`)
    writeFileSync(source, `jtype: Flow\nwith: { name: compared, protocol: grpc, port: 51000 }\nexecutors:${FLOWS[name]}\n`)
    const flow = await Flow.loadConfig(source)
    mkdirSync(join(folder, `ours-${at}`))
    await flow.toKubernetesYaml(join(folder, `ours-${at}`), { image: GATEWAY })
    ways.push([source, join(folder, `jina-${at}`)])
  }
  const env = quiet({ JINA_GATEWAY_IMAGE: GATEWAY })
  const { stdout } = await promisify(execFile)(python, ['test/interop/export.py', JSON.stringify(ways)], { env })
  const failed = JSON.parse(stdout) as (string | null)[]
  const rows: string[][] = []
  const all: Record<'ours' | 'jina', Export[]> = { ours: [], jina: [] }
  for (const [at, name] of names.entries()) {
    if (failed[at] !== null) {
      rows.push([name, 'Jina', '–', '–', failed[at]!, '–'])
      continue
    }
    for (const whose of ['jina', 'ours'] as const) {
      const one = await judged(scorer, join(folder, `${whose}-${at}`))
      all[whose].push(one)
      const { files, critical, warnings, invalid } = one
      rows.push([name, whose === 'jina' ? 'Jina 3.27.5' : 'sluice', ...[files, [...invalid], critical, warnings].map(({ length }) => String(length))])
    }
  }
  const [first, last] = [versions()[0], versions().at(-1)]
  say(
    `Both read the same YAML, and both gateways are told the same image. kubernetes-validate, strict, for Kubernetes ${first} to ${last}: a file is invalid if it is for one of them. kube-score 1.20.0, with what it checks unless told otherwise.`,
    'What checkers do not see: Jina leaves it to a mesh (Linkerd) to share requests among replicas, and each of its probes begins a Python. In ours, the gateway finds replicas by their name, and probes are those of gRPC.',
  )
  table(['Flow', 'export', 'files', 'invalid', 'critical', 'warnings'], rows)
  say('## What is invalid')
  const invalid = new Map(all.jina.flatMap(({ invalid }) => [...invalid.values()].map((text) => [text, true] as const)))
  say(...(invalid.size === 0 ? ['Nothing.'] : [...invalid.keys()].map((text) => `- ${text}`)))
  say("## What is critical in Jina's")
  const kinds = new Map<string, number>()
  for (const line of all.jina.flatMap(({ critical }) => critical)) kinds.set(kindOf(line), (kinds.get(kindOf(line)) ?? 0) + 1)
  table(
    ['kube-score says', 'times'],
    [...kinds].sort(([, one], [, other]) => other - one).map(([kind, count]) => [kind, String(count)]),
  )
  const sum = (of: (one: Export) => number): number => all.ours.reduce((sum, one) => sum + of(one), 0)
  const met = targets([
    atMost(
      'invalid files of ours',
      0,
      sum(({ invalid }) => invalid.size),
    ),
    atMost(
      'what is critical in ours',
      0,
      sum(({ critical }) => critical.length),
    ),
  ])
  if (!met) process.exitCode = 1
}

await interop(() => {}, compare)
say(elapsed())
