// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so look the variables that somebody sets
// What exported files say of what stands around a Flow: who collects its numbers, the server of a queue and who may connect there, NATS as a way in.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse, parseAllDocuments } from 'yaml'
import { type ComposeOptions, Flow, type KubernetesOptions } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
let made = 0
const fresh = (): string => join(folder.path, String(made++))
const MODULE = './test/engine/executor.js#Doing'
const image = 'registry.example/shop:1.0.0'

async function kubernetes(flow: Flow<any>, options: KubernetesOptions = {}) {
  const names = await flow.toKubernetesYaml(fresh(), { image, ...options })
  const text = names.map((name) => readFileSync(name, 'utf8')).join('---\n')
  const all: any[] = parseAllDocuments(text).map((one) => one.toJS())
  return { text, of: (kind: string, name: string): any => all.find((one) => one.kind === kind && one.metadata.name === name) }
}

async function compose(flow: Flow<any>, options: ComposeOptions = {}) {
  const [file, flowFile] = await flow.toDockerComposeYaml(join(fresh(), 'docker-compose.yml'), { image, ...options })
  return { services: parse(readFileSync(file!, 'utf8')).services, text: readFileSync(file!, 'utf8'), flow: readFileSync(flowFile!, 'utf8') }
}

const containerOf = (workload: any): any => workload.spec.template.spec.containers[0]
const envOf = (workload: any): any => Object.fromEntries(containerOf(workload).env.map((one: any) => [one.name, one.valueFrom?.secretKeyRef ?? one.value]))
const refusal = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it was not refused'),
    (error) => error,
  )
const shop = (options: object = {}): Flow<any> => new Flow<any>({ name: 'shop', ...options }).add({ name: 'encode_v2', uses: MODULE } as any)

test('F13: what a Flow tells of itself, its executors tell, too: spans, and numbers at a port that is found and open', async () => {
  const flow = shop({ tracing: true, tracesExporterHost: 'collector', tracesExporterPort: 4317, metrics: true, monitoring: true })
  const { of } = await kubernetes(flow)
  const told = '--tracing --metrics --monitoring --port-monitoring 9090 --traces-exporter-host collector --traces-exporter-port 4317'
  assert.ok(containerOf(of('Deployment', 'encode-v2')).args.join(' ').endsWith(told))
  for (const name of ['encode-v2', 'gateway']) {
    const numbers = { name: 'monitoring', port: 9090, targetPort: 'monitoring' }
    assert.equal(of('Service', name).spec.ports.at(-1), numbers)
    assert.equal(containerOf(of('Deployment', name)).ports.at(-1), { name: 'monitoring', containerPort: 9090 })
    const { ingress } = of('NetworkPolicy', name).spec
    assert.equal(ingress[1], { ports: [{ port: 9090, protocol: 'TCP' }] })
    assert.not(ingress[0].ports.some(({ port }: any) => port === 9090))
  }
  const { options } = (await Flow.loadConfig(folder.file('told.yml', of('ConfigMap', 'gateway').data['flow.yml']))).plan
  assert.equal([options.tracing, options.tracesExporterHost, options.monitoring, options.portMonitoring], [true, 'collector', true, 9090])
  const { services } = await compose(shop({ port: 9090, portMonitoring: 9090 }))
  assert.equal(services.gateway.ports, ['127.0.0.1:9090:9090', '127.0.0.1:9091:9091'])
  assert.match(services['encode-v2'].command.join(' '), /--monitoring --port-monitoring 9090$/)
  const none = await kubernetes(shop({ monitoring: false, portMonitoring: 1 }))
  assert.is(none.of('Service', 'gateway').spec.ports.length, 1)
  assert.not.match(none.text, /NetworkPolicy[\s\S]*Whoever collects numbers|--monitoring/)
})

test('F14: a queue may want a token or credentials: by a Secret, in no file; and a prefix keeps Flows of one name apart', async () => {
  const { of, text } = await kubernetes(shop(), { queue: { server: 'natss://nats.internal', token: 'nats/token', prefix: 'team.a' } })
  for (const name of ['encode-v2', 'gateway']) assert.equal(envOf(of('Deployment', name)).NATS_TOKEN, { name: 'nats', key: 'token' })
  assert.is(envOf(of('Deployment', 'encode-v2')).SLUICE_ENV, undefined, 'it is none of its executor’s business')
  assert.match(containerOf(of('Deployment', 'encode-v2')).args.join(' '), '--nats natss://nats.internal --durable --nats-prefix team.a')
  assert.match(text, /token: \$\{\{ ENV\.NATS_TOKEN \}\}/)
  assert.match(text, /prefix: team\.a/)

  const shown = await kubernetes(shop(), { queue: { server: 'nats://nats.internal', credentials: 'nats/user.creds' } })
  for (const name of ['encode-v2', 'gateway']) {
    const { volumes, containers } = shown.of('Deployment', name).spec.template.spec
    assert.equal(volumes.at(-1), { name: 'nats', secret: { secretName: 'nats', items: [{ key: 'user.creds', path: 'user.creds' }] } })
    assert.equal(containers[0].volumeMounts.at(-1), { name: 'nats', mountPath: '/etc/sluice-nats', readOnly: true })
  }
  assert.match(containerOf(shown.of('Deployment', 'encode-v2')).args.join(' '), '--durable --nats-credentials-file /etc/sluice-nats/user.creds')
  assert.match(shown.text, /credentials_file: \/etc\/sluice-nats\/user\.creds/)

  const here = await compose(shop(), { queue: { token: 'nats/token' } })
  const asked = '${NATS_TOKEN:?is a secret that has to be set}'
  assert.equal(here.services.nats.command.slice(-2), ['--auth', asked])
  assert.equal([here.services.gateway.environment.NATS_TOKEN, here.services['encode-v2'].environment.NATS_TOKEN], [asked, asked])
  assert.match(here.flow, /token: \$\{\{ ENV\.NATS_TOKEN \}\}/)
  for (const [queue, said] of [
    [{ token: 'hush-hush' }, /queue\.token must be a Secret and a key in it.*not "…"/],
    [{ token: 'a/b', credentials: 'a/b', server: 'nats://a' }, /queue\.token and queue\.credentials both show who connects/],
    [{ prefix: 'a.*' }, /queue\.prefix/],
    [{ monitoring: 'http://a' }, /queue\.monitoring must be a host and the port/],
  ] as const)
    assert.match((await refusal(kubernetes(shop(), { queue: { server: 'nats://a', ...queue } }))).message, said)
  assert.match((await refusal(compose(shop(), { queue: { credentials: 'a/b' } }))).message, /queue\.credentials must be left out for Compose/)
})

test('F14: where the server of a queue tells of itself, KEDA makes as many workers as there is work', async () => {
  const queue = { server: 'nats://nats.internal', monitoring: 'nats.internal:8222', prefix: 'team' }
  const { of } = await kubernetes(shop(), { queue, autoscale: { min: 1, max: 20 } })
  const { spec } = of('ScaledObject', 'encode-v2')
  const metadata = {
    natsServerMonitoringEndpoint: 'nats.internal:8222',
    account: '$G',
    stream: 'team_shop_encode=5fv2-work',
    consumer: 'workers',
    lagThreshold: '16',
  }
  assert.equal([spec.minReplicaCount, spec.maxReplicaCount, spec.triggers], [1, 20, [{ type: 'nats-jetstream', metadata }]])
  assert.is(of('HorizontalPodAutoscaler', 'encode-v2'), undefined)
  assert.is(of('HorizontalPodAutoscaler', 'gateway').spec.maxReplicas, 20, 'nothing waits for the gateway there')
  const byProcessor = await kubernetes(shop(), { queue, autoscale: { cpu: 50 } })
  assert.is(byProcessor.of('ScaledObject', 'encode-v2'), undefined)
})

test('F14: a Flow that answers over NATS does so from its container, and can be asked how it is; what shows who it is, is a Secret', async () => {
  const nats = { address: 'nats://nats.internal/shop/all', token: 'hush-hush' }
  const { of, text } = await kubernetes(shop({ nats }), { secrets: { gateway: { NATS_TOKEN: 'nats/token' } } })
  assert.not.match(text, /hush-hush/)
  const { options } = (await Flow.loadConfig(folder.file('nats.yml', of('ConfigMap', 'gateway').data['flow.yml']), { env: { NATS_TOKEN: 'from a Secret' } }))
    .plan
  assert.equal([options.nats, options.protocol, options.port], [{ ...nats, token: 'from a Secret' }, ['grpc'], 51_000])
  assert.equal(containerOf(of('Deployment', 'gateway')).readinessProbe.grpc, { port: 51_000, service: 'readiness' })
  for (const [nats, said] of [
    [{ address: 'nats://nats.internal/all', token: 'hush-hush' }, /gateway reads a token from NATS_TOKEN\. Name a Secret for it/],
    [{ address: 'nats://nats.internal/all', user: 'anna', password: 'hush-hush' }, /gateway reads a token from NATS_PASSWORD/],
    [{ address: 'nats://nats.internal/all', credentialsFile: 'c' }, /gateway has nats\.credentialsFile/],
    [{ address: 'nats://nats.internal/all', tls: { keyFile: 'k', certFile: 'c' } }, /gateway has tls\.keyFile/],
    ['nats://127.0.0.1:4222/all', /gateway answers at "nats:\/\/127\.0\.0\.1:4222\/all", where a container finds itself alone/],
  ] as const) {
    const error = await refusal(kubernetes(shop({ nats })))
    assert.match(error.message, said)
    assert.not.match(error.message, /hush-hush/)
  }
})

test('F13: an executor elsewhere that is this machine is so with a path, too; a folder of answers is one of this machine', async () => {
  for (const host of ['nats://localhost:4222/shop/far', 'http://127.0.0.1:8080/', 'ws://[::1]:8080/x', 'grpc://127.0.0.1'])
    assert.match((await refusal(kubernetes(shop().add({ name: 'far', external: true, host } as any)))).message, /far is external at .* another machine/)
  for (const flow of [shop({ cache: './answers' }), shop().add({ name: 'kept', uses: MODULE, cache: './answers' } as any)])
    assert.match((await refusal(compose(flow))).message, /(gateway|kept) has a cache in a folder of this machine/)
})

test.run()
