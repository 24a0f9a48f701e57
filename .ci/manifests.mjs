// Checks what sluice export writes for Kubernetes: by kubernetes-validate, strictly, for each version from 1.30 to its newest, and by kube-score and kubeconform where Go is.
//   node .ci/manifests.mjs
// Needs a build. What cannot be had says so, and is no failure.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const { Flow } = await import('../dist/index.js')
const folder = mkdtempSync(join(tmpdir(), 'sluice-manifests-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
/** Tools are kept from one run to the next. */
const tools = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice-ci')
mkdirSync(tools, { recursive: true })
/** Milliseconds for each tool to be there. */
const TIME = 100_000
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

/** Makes a tool be there. @returns undefined, and says so, where it cannot be had */
async function tool(name, path, make) {
  if (existsSync(path)) return path
  try {
    for (const [command, ...args] of make) await run(command, args, { timeout: TIME, env: { ...process.env, GOBIN: tools } })
    return path
  } catch (error) {
    console.log(
      `skipped: ${name}: it cannot be had here (${String(error.stderr ?? error)
        .trim()
        .split('\n')
        .at(-1)})`,
    )
    return undefined
  }
}

const python = join(tools, 'python')
const go = (module) => (spawnSync('go', ['version']).status === 0 ? [['go', 'install', module]] : [['go', 'version']])
const [validator, score, conform] = await Promise.all([
  tool('kubernetes-validate', join(python, 'bin/kubernetes-validate'), [
    ['python3', '-m', 'venv', python],
    [join(python, 'bin/pip'), 'install', '-q', 'kubernetes-validate==1.37.0'],
  ]),
  tool('kube-score', join(tools, 'kube-score'), go('github.com/zegl/kube-score/cmd/kube-score@v1.20.0')),
  tool('kubeconform', join(tools, 'kubeconform'), go('github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0')),
])

const schemas = validator && findSchemas()
if (validator !== undefined) {
  const versions = readdirSync(schemas)
    .map((name) => /^v(1\.(\d+)\.0)-local$/.exec(name))
    .filter((found) => found !== null && Number(found[2]) >= 30)
    .map(([, version]) => version)
    .sort()
  await Promise.all(
    versions.map((version) =>
      run(validator, ['--strict', '--quiet', '-k', version, ...files]).catch(({ stdout, stderr }) =>
        failure(`kubernetes-validate ${version}: ${stdout}${stderr}`),
      ),
    ),
  )
  console.log(`kubernetes-validate, strict: ${versions.join(', ')}`)
}
if (score !== undefined) {
  const said = await Promise.all(byFlow.map((files) => run(score, ['score', '--output-format', 'ci', ...files]).catch((error) => error)))
  const stdout = said.map(({ stdout }) => stdout).join('\n')
  const found = stdout.split('\n').filter((line) => line.startsWith('[CRITICAL]'))
  if (found.length > 0) failure(found.join('\n'))
  console.log(`kube-score: ${found.length} critical, ${stdout.split('\n').filter((line) => line.startsWith('[WARNING]')).length} warnings`)
}
if (conform !== undefined && schemas !== undefined) {
  // As it reads them: with names of files in them, and none of their own.
  const own = join(folder, 'schemas')
  mkdirSync(own)
  const from = join(schemas, 'v1.37.0-local-strict')
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

function findSchemas() {
  const lib = join(python, 'lib')
  return resolve(lib, readdirSync(lib)[0], 'site-packages/kubernetes_validate/kubernetes-json-schema')
}
