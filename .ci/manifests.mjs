// Checks what sluice export writes for Kubernetes: by kubernetes-validate, strictly, for each version from 1.30 to its newest, and by kube-score and kubeconform where Go is.
//   node .ci/manifests.mjs
// Needs a build. What cannot be had says so, and is no failure.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { register } from 'tsx/esm/api'
import { faults, hasValidator, kubeconform, kubeScore, schemas, score, versions } from '../test/support/checkers.mjs'

const run = promisify(execFile)
// One of the examples has its executors in TypeScript.
register()
const { Flow } = await import('../dist/index.js')
const folder = mkdtempSync(join(tmpdir(), 'sluice-manifests-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const MODULE = './examples/run/executors.js#Redact'
const image = 'registry.example/flow:1.0.0'

const flow = (options = {}) => new Flow(options)
const one = { name: 'encode', uses: MODULE }
/** Flows, and how they are exported. */
const cases = {
  plain: [flow().add(one)],
  container: [flow().add({ name: 'shout', uses: 'docker://registry.example/shout:1.0.0' })],
  example: [await Flow.loadConfig('examples/run/flow.yml')],
  chain: [
    flow({ name: 'a chain', protocol: ['grpc', 'http', 'websocket'], port: [51000, 8080, 9000] })
      .add(one)
      .add({ ...one, name: 'rank' }),
  ],
  joined: [
    flow()
      .add(one)
      .add({ ...one, name: 'other', needs: 'gateway' })
      .needs(['encode', 'other'], { name: 'both', join: 'merge' }),
  ],
  floating: [
    flow()
      .add(one)
      .add({ ...one, name: 'log', floating: true })
      .add({ ...one, name: 'rank', when: { tags__x: { $eq: 1 } } }),
  ],
  shards: [flow().add({ ...one, shards: 3, polling: { '/search': 'ALL' } }), { volumes: { encode: { '/workspace': '10Gi' } }, storageClass: 'fast' }],
  stateful: [flow({ workspace: 'w' }).add({ ...one, parallel: 2 }), { volumes: { encode: { '/workspace': '1Gi', '/models': '20Gi' } }, autoscale: true }],
  scaled: [flow().add(one), { autoscale: { min: 2, max: 20, cpu: 60 }, namespace: 'shop', gateway: { replicas: 3, service: 'LoadBalancer' } }],
  secret: [
    flow({ protocol: 'http', port: 443, token: 'a-token-of-sixteen' }).add(one),
    { secrets: { gateway: { SLUICE_TOKEN: 'door/token' } }, gateway: { tls: 'door' } },
  ],
  sized: [
    flow().add({
      name: 'big',
      uses: 'docker://big:1',
      memory: '4g',
      cpus: 4,
      gpus: '2',
      user: '20000:20000',
      volumes: 'models:/models',
      readyTimeout: 600_000,
    }),
  ],
  odd: [flow({ name: '--- $(x) "\n#' }).add({ ...one, name: 'Odd__Name', env: { A: '$(B)\n- x: "y"', yes: 'no' }, usesWith: { '$(x)': '0x1f' } })],
  told: [flow({ tracing: true, tracesExporterHost: 'collector', metrics: true, monitoring: true }).add(one)],
  queue: [flow({ name: 'queued' }).add(one), { queue: { server: 'natss://nats.internal', credentials: 'nats/user.creds' } }],
  cluster: [
    await Flow.loadConfig('examples/wordnet/flow.yml'),
    {
      root: 'examples/wordnet',
      queue: { server: 'nats://nats.internal', token: 'nats/token', prefix: 'team' },
      volumes: { store: { '/workspace': '10Gi' } },
      autoscale: { tokenize: true },
    },
  ],
  elsewhere: [flow().add(one).add({ name: 'far', external: true, host: 'nats://nats.internal/shop/far' })],
}

/** By Flow: what is of one name in two of them is two things. */
const byFlow = []
for (const [name, [flow, options]] of Object.entries(cases)) byFlow.push(await flow.toKubernetesYaml(join(folder, name), { image, ...options }))
const files = byFlow.flat()
console.log(`${files.length} files of ${Object.keys(cases).length} Flows`)
let failed = 0
const failure = (text) => {
  failed++
  console.log(text)
}

const validates = await hasValidator()
if (validates) {
  const said = await Promise.all(versions().map(async (version) => [version, await faults(version, files)]))
  for (const [version, text] of said) if (text !== '') failure(`kubernetes-validate ${version}: ${text}`)
  console.log(`kubernetes-validate, strict: ${versions().join(', ')}`)
}
const scorer = await kubeScore()
if (scorer !== undefined) {
  const scores = []
  for (const files of byFlow) scores.push(await score(scorer, files))
  const [critical, warnings] = ['critical', 'warnings'].map((grade) => scores.flatMap((scored) => scored[grade]))
  if (critical.length > 0) failure(critical.join('\n'))
  console.log(`kube-score: ${critical.length} critical, ${warnings.length} warnings`)
}
const conform = await kubeconform()
if (conform !== undefined && validates) {
  // As it reads them: with names of files in them, and none of their own.
  const own = join(folder, 'schemas')
  mkdirSync(own)
  const from = join(schemas(), 'v1.37.0-local-strict')
  for (const name of readdirSync(from)) {
    const { $id: _, ...schema } = JSON.parse(readFileSync(join(from, name), 'utf8'))
    writeFileSync(join(own, name), JSON.stringify(schema).replaceAll('"/api/_definitions.json#', '"_definitions.json#'))
  }
  await run(conform, ['-strict', '-summary', '-schema-location', `${own}/{{.ResourceKind}}{{.KindSuffix}}.json`, ...files]).then(
    ({ stdout }) => console.log(`kubeconform, strict: ${stdout.trim()}`),
    ({ stdout, stderr }) => failure(`kubeconform: ${stdout}${stderr}`),
  )
}
process.exit(failed === 0 ? 0 : 1)
