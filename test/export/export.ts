// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so look the variables that nothing may become
// A Flow as files for Kubernetes and Compose: what is in them, and that nothing in them is anything but data.
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse, parseAllDocuments } from 'yaml'
import { leftOf } from '../../lib/export/kubernetes.js'
import { toKustomize } from '../../lib/export/kustomize.js'
import { type ComposeOptions, Executor, Flow, type KubernetesOptions } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
let made = 0
const fresh = (): string => join(folder.path, String(made++))
const MODULE = './test/engine/executor.js#Doing'
const IMAGE = 'registry.example/shop@sha256:0123456789abcdef'

interface Written {
  readonly files: Record<string, string>
  /** All objects, by file, kind and name. */
  readonly all: any[]
  of(kind: string, name: string): any
}

async function kubernetes(flow: Flow<any>, options: KubernetesOptions = {}): Promise<Written> {
  const where = fresh()
  const names = await flow.toKubernetesYaml(where, { image: IMAGE, ...options })
  assert.equal(names.map((name) => name.slice(where.length + 1)).sort(), readdirSync(where).sort())
  const files = Object.fromEntries(names.map((name) => [name.slice(where.length + 1), readFileSync(name, 'utf8')]))
  const all = Object.values(files).flatMap((text) => parseAllDocuments(text, { version: '1.1' }).map((one) => one.toJS()))
  return { files, all, of: (kind, name) => all.find((one) => one.kind === kind && one.metadata.name === name) }
}

async function compose(flow: Flow<any>, options: ComposeOptions = {}): Promise<{ services: any; text: string; flow: string; root: any }> {
  const where = fresh()
  const [file, flowFile] = await flow.toDockerComposeYaml(join(where, 'docker-compose.yml'), { image: IMAGE, ...options })
  const text = readFileSync(file!, 'utf8')
  const root = parse(text)
  return { services: root.services, root, text, flow: flowFile === undefined ? '' : readFileSync(flowFile, 'utf8') }
}

const podOf = (workload: any): any => workload.spec.template.spec
const containerOf = (workload: any): any => podOf(workload).containers[0]
const refusal = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it was not refused'),
    (error) => error,
  )

/** What Kubernetes makes of `$(NAME)` in values, commands and arguments (third_party/forked/golang/expansion), where no variable is known. */
function expanded(text: string): string {
  let out = ''
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '$' || at + 1 === text.length) out += text[at]
    else if (text[at + 1] === '$') {
      out += '$'
      at++
    } else if (text[at + 1] === '(' && text.indexOf(')', at) > 0) throw new Error(`a variable in ${text}`)
    else out += '$'
  }
  return out
}

/** What Compose makes of `$NAME` and `${NAME}`: nothing of that may be left. */
function interpolated(text: string): string {
  return text.replace(/\$\$|\$/g, (found) => {
    if (found === '$') throw new Error(`a variable in ${text}`)
    return '$'
  })
}

const shop = (options: object = {}): Flow<any> =>
  new Flow<any>({ name: 'shop', protocol: ['grpc', 'http', 'websocket'], port: 8080, graphql: true, ...options })
    .add({ name: 'encode', uses: MODULE, usesWith: { model: 'small' }, parallel: 2, concurrency: 4, timeout: 5000 } as any)
    .add({ name: 'rank_2', uses: 'docker://registry.example/rank:1.2.0', memory: '1g', cpus: 2, needs: 'gateway' } as any)
    .needs(['encode', 'rank_2'], { name: 'both' })

test('F13: each executor is a deployment with all that belongs to it, behind a name; the gateway serves the Flow with its executors elsewhere', async () => {
  const { files, all, of } = await kubernetes(shop())
  assert.equal(Object.keys(files), ['gateway.yml', 'encode.yml', 'rank-2.yml'])
  for (const name of ['encode', 'rank-2']) {
    const [service, workload] = [of('Service', name), of('Deployment', name)]
    assert.is(service.spec.clusterIP, 'None')
    assert.equal(service.spec.ports, [{ name: 'grpc', port: 8080, targetPort: 'grpc', appProtocol: 'grpc' }])
    assert.equal(workload.spec.strategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } })
    assert.equal(of('NetworkPolicy', name).spec.ingress, [
      {
        from: [{ podSelector: { matchLabels: { 'app.kubernetes.io/part-of': 'shop' } } }],
        // Whoever computes without a pause says by UDP that he is there; what an image of somebody else's does is not known.
        ports: [{ port: 8080, protocol: 'TCP' }, ...(name === 'encode' ? [{ port: 8080, protocol: 'UDP' }] : [])],
      },
    ])
  }
  for (const workload of all.filter(({ kind }) => kind === 'Deployment')) {
    const { name } = workload.metadata
    const [pod, container] = [podOf(workload), containerOf(workload)]
    // All that select its pods select them.
    const selectors = [
      workload.spec.selector.matchLabels,
      of('Service', name).spec.selector,
      of('PodDisruptionBudget', name).spec.selector.matchLabels,
      of('NetworkPolicy', name).spec.podSelector.matchLabels,
      ...pod.topologySpreadConstraints.map((one: any) => one.labelSelector.matchLabels),
    ]
    for (const selector of selectors) for (const [label, value] of Object.entries(selector)) assert.is(workload.spec.template.metadata.labels[label], value)
    for (const label of ['name', 'part-of', 'instance', 'component', 'managed-by'])
      assert.type(workload.metadata.labels[`app.kubernetes.io/${label}`], 'string')
    assert.equal(pod.securityContext, { runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534, fsGroup: 65534, seccompProfile: { type: 'RuntimeDefault' } })
    assert.equal(container.securityContext.capabilities, { drop: ['ALL'] })
    assert.equal(
      [container.securityContext.readOnlyRootFilesystem, container.securityContext.allowPrivilegeEscalation, pod.automountServiceAccountToken],
      [true, false, false],
    )
    assert.ok(pod.shareProcessNamespace, '140: what is left behind is reaped')
    for (const kind of ['requests', 'limits']) for (const what of ['cpu', 'memory', 'ephemeral-storage']) assert.type(container.resources[kind][what], 'string')
    const wait = container.args.includes('--drain-delay') || name === 'gateway' ? 5 : 0
    assert.ok(container.lifecycle.preStop.sleep.seconds + wait + 10 < pod.terminationGracePeriodSeconds)
    assert.ok(Array.isArray(container.args) && (container.command === undefined || Array.isArray(container.command)), '140: lists, and no shell')
    const { startupProbe, readinessProbe, livenessProbe } = container
    const foreign = name === 'rank-2'
    assert.equal(
      [startupProbe, readinessProbe, livenessProbe].map(({ grpc }: any) => grpc.service),
      foreign ? [undefined, undefined, undefined] : ['liveness', 'readiness', 'liveness'],
    )
    assert.is(startupProbe.periodSeconds * startupProbe.failureThreshold, 120)
  }
  const encode = containerOf(of('Deployment', 'encode'))
  assert.is(of('Deployment', 'encode').spec.replicas, 2)
  assert.equal(encode.command, ['node', 'node_modules/sluice/dist/cli/sluice.js'])
  assert.equal(encode.args, [
    'executor',
    MODULE,
    '--name',
    'encode',
    '--host',
    '0.0.0.0',
    '--port',
    '8080',
    '--uses-with',
    '{"model":"small"}',
    '--concurrency',
    '4',
    '--drain-delay',
    '5000',
  ])
  const rank = containerOf(of('Deployment', 'rank-2'))
  assert.equal([rank.image, rank.command, rank.args], ['registry.example/rank:1.2.0', undefined, ['--name', 'rank_2', '--host', '0.0.0.0', '--port', '8080']])
  assert.equal(rank.resources.limits, { cpu: '2000m', memory: '1024Mi', 'ephemeral-storage': '256Mi' })
  assert.is(of('Deployment', 'rank-2').metadata.labels['app.kubernetes.io/version'], '1.2.0')
  const gateway = of('Deployment', 'gateway')
  assert.is(gateway.spec.replicas, 2)
  assert.equal(containerOf(gateway).args, ['flow', '/etc/sluice/flow.yml'])
  assert.equal(of('Service', 'gateway').spec.ports, [{ name: 'flow', port: 8080, targetPort: 'flow' }])
  const served = await Flow.loadConfig(folder.file('served.yml', of('ConfigMap', 'gateway').data['flow.yml']))
  assert.equal(served.executors, ['encode', 'rank_2', 'both'])
  const { options, steps } = served.plan
  assert.equal(
    [options.host, options.port, options.protocol, options.graphql, options.drainDelay],
    ['0.0.0.0', 8080, ['grpc', 'http', 'websocket'], true, 5000],
  )
  assert.equal(
    steps.map(({ options }) => [options.external, options.host, options.timeout, options.concurrency]),
    [
      [true, 'grpc://encode:8080', 5000, undefined],
      [true, 'grpc://rank-2:8080', undefined, undefined],
      [undefined, undefined, undefined, undefined],
    ],
  )
})

test('F13: shards that all are asked are found one by one; what has volumes is a StatefulSet', async () => {
  const flow = new Flow<any>({ workspace: 'w' }).add({ name: 'index', uses: MODULE, shards: 3, polling: { '/search': 'ALL' } } as any)
  const { all, of } = await kubernetes(flow, { volumes: { index: { '/workspace': '10Gi' } }, storageClass: 'fast' })
  const sets = all.filter(({ kind }) => kind === 'StatefulSet')
  assert.equal(
    sets.map(({ metadata }) => metadata.name),
    ['index-0', 'index-1', 'index-2'],
  )
  for (const set of sets) {
    assert.is(set.spec.strategy, undefined)
    assert.match(containerOf(set).args.join(' '), `--name index --shard-id ${set.metadata.name.at(-1)} `)
    assert.equal([set.spec.serviceName, set.spec.updateStrategy], [set.metadata.name, { type: 'RollingUpdate' }])
    assert.equal(set.spec.volumeClaimTemplates[0].spec, {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'fast',
      resources: { requests: { storage: '10Gi' } },
    })
    assert.equal(containerOf(set).volumeMounts, [
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'data-0', mountPath: '/workspace' },
    ])
  }
  const { steps } = (await Flow.loadConfig(folder.file('shards.yml', of('ConfigMap', 'gateway').data['flow.yml']))).plan
  assert.equal([steps[0]!.options.host, steps[0]!.options.polling], [[0, 1, 2].map((at) => `grpc://index-${at}:8080`), { '/search': 'ALL' }])
  const { services } = await compose(flow)
  assert.equal(Object.keys(services), ['gateway', 'index-0', 'index-1', 'index-2'])
})

test('F13, F14: on a queue, executors take their work from NATS, and keep their probes; Compose has the server beside them', async () => {
  const flow = shop().add({ name: 'index', uses: MODULE, shards: 2, polling: 'ALL' } as any)
  const { services, root, flow: served } = await compose(flow, { queue: true, image: 'shop:1', build: 'deploy' })
  assert.equal(Object.keys(services), ['nats', 'gateway', 'encode', 'rank-2', 'index-0', 'index-1'])
  const { image, command, ports, cap_drop } = services.nats
  assert.equal([image, command, ports, cap_drop], ['nats:2', ['--jetstream', '--store_dir', '/data'], undefined, ['ALL']])
  assert.equal(Object.keys(root.volumes), ['nats-data'])
  const work = (name: string): string => services[name].command.join(' ')
  assert.match(work('encode'), '--name shop/encode --host 0.0.0.0 --port 8080 --nats nats://nats:4222 --durable')
  assert.match(work('index-1'), '--name shop/index-1 --shard-id 1')
  assert.not.match(work('rank-2'), /nats/, 'an image of its own stays where it is')
  assert.equal([services.encode.depends_on, services.gateway.depends_on], [['nats'], ['encode', 'rank-2', 'index-0', 'index-1', 'nats']])
  assert.equal([services.encode.build.context.endsWith('/deploy'), services.gateway.build !== undefined, services['rank-2'].build], [true, true, undefined])
  const { steps } = (await Flow.loadConfig(folder.file('queued.yml', served))).plan
  assert.equal(
    steps.map(({ options: { host, nats, readyTimeout } }) => [host, nats, readyTimeout]),
    [
      ['nats://nats:4222/shop/encode', { durable: true }, 120_000],
      ['grpc://rank-2:8080', undefined, 120_000],
      [undefined, undefined, undefined],
      [['nats://nats:4222/shop/index-0', 'nats://nats:4222/shop/index-1'], { durable: true }, 120_000],
    ],
  )
  const elsewhere = await compose(flow, { queue: { server: 'nats://nats.internal' } })
  assert.is(elsewhere.services.nats, undefined)
  assert.match(elsewhere.flow, 'nats://nats.internal/shop/encode')
  const { of } = await kubernetes(flow, { queue: { server: 'natss://nats.internal:4223' } })
  const encode = containerOf(of('Deployment', 'encode'))
  assert.match(encode.args.join(' '), '--nats natss://nats.internal:4223 --durable')
  assert.is(encode.readinessProbe.grpc.service, 'readiness')
  for (const [work, said] of [
    [() => kubernetes(flow, { queue: true }), /queue\.server must be given/],
    [() => kubernetes(flow, { queue: { server: 'nats://a/b' } }), /queue\.server must be a server of NATS/],
    [() => compose(flow, { queue: { server: 'nats://user:x@a' } }), /queue\.server must be a server of NATS/],
    [
      () => new Flow<any>().add({ name: 'a', uses: 'docker://a' } as any).toDockerComposeYaml(fresh(), { build: '.', images: { gateway: 'b' } }),
      /build goes with image/,
    ],
  ] as const)
    assert.match((await refusal(work())).message, said)
})

test('F13: files of executors that are gone stay, and are known; those of others are not looked at', async () => {
  const where = fresh()
  await shop().toKubernetesYaml(where, { image: IMAGE })
  writeFileSync(join(where, 'notes.yml'), '# mine\n')
  await new Flow<any>({ name: 'other' }).add({ name: 'far', uses: 'docker://a' } as any).toKubernetesYaml(where, { gateway: false })
  const less = new Flow<any>({ name: 'shop' }).add({ name: 'encode', uses: MODULE } as any)
  const written = await less.toKubernetesYaml(where, { image: IMAGE })
  assert.equal(await leftOf(less, where, written), [join(where, 'rank-2.yml')])
  assert.ok(existsSync(join(where, 'rank-2.yml')))
})

test('F13: as many as there is to do: by processors, or by what KEDA counts', async () => {
  const flow = shop()
  const { of } = await kubernetes(flow, { autoscale: { encode: { min: 1, max: 5, cpu: 50 }, gateway: true } })
  const { spec } = of('HorizontalPodAutoscaler', 'encode')
  assert.equal([spec.minReplicas, spec.maxReplicas, spec.metrics[0].resource.target.averageUtilization, spec.scaleTargetRef.kind], [1, 5, 50, 'Deployment'])
  assert.is(of('Deployment', 'encode').spec.replicas, undefined)
  assert.is(of('HorizontalPodAutoscaler', 'gateway').spec.minReplicas, 2)
  assert.is(of('HorizontalPodAutoscaler', 'rank-2'), undefined)
  const triggers = [{ type: 'nats-jetstream', metadata: { stream: 'shop', consumer: 'encode' } }]
  const keda = await kubernetes(flow, { autoscale: { encode: { max: 5, triggers } } })
  assert.equal(keda.of('ScaledObject', 'encode').spec, {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'encode' },
    minReplicaCount: 2,
    maxReplicaCount: 5,
    triggers,
  })
})

test('F13: Compose: a service for each, found by name, with the bounds that a container has where a Flow begins it', async () => {
  const { services, flow, root } = await compose(shop(), { networkName: 'ours' })
  assert.equal(Object.keys(services), ['gateway', 'encode', 'rank-2'])
  assert.equal(services.encode.scale, 2)
  for (const service of Object.values<any>(services)) {
    assert.equal([service.init, service.read_only, service.restart, service.networks], [true, true, 'unless-stopped', ['ours']])
    assert.equal([service.cap_drop, service.security_opt, service.user], [['ALL'], ['no-new-privileges:true'], '65534:65534'])
    assert.ok(Array.isArray(service.command), '140')
  }
  assert.equal(services.gateway.ports, ['127.0.0.1:8080:8080'])
  assert.equal(services['rank-2'].mem_limit, String(1024 ** 3))
  assert.equal(Object.keys(root.networks), ['ours'])
  const { steps } = (await Flow.loadConfig(folder.file('compose.yml', flow))).plan
  assert.is(steps[0]!.options.host, 'grpc://encode:8080')
})

test('123: whatever is in names and values is data: in Kubernetes, in Compose, and to readers of YAML 1.1', async () => {
  const odd = fc.oneof(
    fc.constantFrom(
      '$(id)',
      '$$(HOME)',
      '${HOME}',
      '$HOME',
      '`id`',
      '--privileged',
      'a\nb: c\n- d',
      '"',
      "'",
      '#',
      'yes',
      '0x1f',
      '1e3',
      '012',
      '12:30',
      '~',
      'null',
      '{{ x }}',
      '\u2028',
      '\u0085',
      '%',
      '@',
      '| x',
      '> x',
      '!!x',
      '&a',
      '*a',
      '\t',
      ' ',
      '',
      '\r\n',
      '$',
      '$$',
      '\\n',
      '---\nkind: Pod',
      '🙂',
    ),
    fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.includes('\0') && (text as any).isWellFormed()),
  )
  const variable = fc.constantFrom('A', 'B_C', 'yes', 'no', '_', 'HOME', 'x.y', 'on')
  await fc.assert(
    fc.asyncProperty(odd, fc.dictionary(variable, odd, { maxKeys: 3 }), odd, odd, async (flowName, env, value, arg) => {
      const name = 'Odd_-x'
      const flow = new Flow<any>({ name: flowName })
        .add({ name, uses: MODULE, usesWith: { value }, env } as any)
        .add({ name: 'odd-x', uses: 'docker://a', args: [arg], user: '1:1' } as any)
      const { all, files } = await kubernetes(flow)
      assert.equal(Object.keys(files), ['gateway.yml', 'odd-x.yml', 'odd-x-2.yml'])
      assert.is(all.length, 13, 'no document more')
      const found = all
        .filter(({ kind }) => kind === 'Deployment')
        .slice(1)
        .map(containerOf)
      const given = Object.fromEntries(found[0].env.map((one: any) => [one.name, expanded(one.value)]))
      for (const [key, text] of Object.entries(env)) assert.is(given[key], text)
      assert.equal(found[0].args.map(expanded).slice(-4, -2), ['--uses-with', JSON.stringify({ value })])
      assert.is(expanded(found[1].args.at(-1)), arg)
      const { services, root } = await compose(flow)
      assert.equal(Object.keys(root), ['services', 'networks'])
      for (const [key, text] of Object.entries(env)) assert.is(interpolated(services['odd-x'].environment[key]), text)
      assert.equal(services['odd-x'].command.map(interpolated).slice(-4, -2), ['--uses-with', JSON.stringify({ value })])
      assert.is(interpolated(services['odd-x-2'].command.at(-1)), arg)
      assert.not(services['odd-x'].privileged)
    }),
    { numRuns: 25 },
  )
})

test('123: what no system can take is refused by name: halves of characters, number 0, names of variables', async () => {
  for (const [options, pattern] of [
    [{ env: { A: 'x\0' } }, /encode has env A with what no environment can have/],
    [{ env: { A: '\ud800' } }, /encode has env A with what no environment can have/],
    [{ env: { 'A B': 'x' } }, /encode has env "A B"\. Names there are letters/],
    [{ usesWith: { x: 1n } }, /encode has a configuration that is no JSON/],
  ] as const) {
    const error = await refusal(kubernetes(new Flow<any>().add({ name: 'encode', uses: MODULE, ...options } as any)))
    assert.is(error.code, 'ERR_USES_INVALID')
    assert.match(error.message, pattern)
  }
})

test('F13: all that cannot go is named in one error, with what to do', async () => {
  class Own extends Executor {}
  const flow = new Flow<any>({ token: 'a-secret-of-sixteen', tls: { keyFile: 'k', certFile: 'c' } })
    .add({ name: 'fn', uses: () => {} })
    .add({ name: 'own', uses: Own } as any)
    .add({ name: 'far', external: true, host: 'grpc://localhost:1' } as any)
    .add({ name: 'there', uses: MODULE, runtime: 'daemon', host: 'https://gpu:8000' } as any)
    .add({ name: 'bound', uses: 'docker://x', volumes: './models:/models', dockerArgs: '--privileged' } as any)
    .add({ name: 'good', uses: MODULE, when: () => true } as any)
  const error = await refusal(flow.toKubernetesYaml(fresh(), { image: IMAGE }))
  assert.is(error.code, 'ERR_USES_INVALID')
  for (const said of [
    /^flow cannot be exported: /,
    /fn cannot go: it uses the function uses, which was given in code\. Export it from a module/,
    /own cannot go: it uses the function Own/,
    /far is external at "grpc:\/\/localhost:1", which is another machine to each container/,
    /there runs at a daemon/,
    /bound mounts a folder of this machine at \/models\. Put it into the image, or give it a volume: volumes: \{ bound/,
    /bound has dockerArgs/,
    /good has a function for when/,
    /gateway has a key and a certificate of this machine/,
    /gateway reads a token from SLUICE_TOKEN\. Name a Secret for it: secrets: \{ gateway/,
  ])
    assert.match(error.message, said)
  assert.not.match(error.message, /a-secret/)
  const none = await refusal(new Flow<any>().add({ name: 'a', uses: MODULE } as any).toKubernetesYaml(fresh()))
  assert.match(none.message, /a has no image.*gateway has no image/)
})

test('F13: secrets are named, and written nowhere', async () => {
  const flow = new Flow<any>({ token: 'a-secret-of-sixteen', protocol: 'http', port: 80 }).add({
    name: 'encode',
    uses: MODULE,
    env: { KEY: 'said in code' },
  } as any)
  const secrets = { gateway: { SLUICE_TOKEN: 'door/token' }, encode: { KEY: 'models/api-key' } }
  const { of, files } = await kubernetes(flow, { secrets, gateway: { tls: 'door-tls' } })
  for (const text of Object.values(files)) assert.not.match(text, /a-secret|said in code/)
  const env = (name: string): any =>
    Object.fromEntries(containerOf(of('Deployment', name)).env.map((one: any) => [one.name, one.valueFrom?.secretKeyRef ?? one.value]))
  assert.equal(env('gateway').SLUICE_TOKEN, { name: 'door', key: 'token' })
  assert.equal([env('encode').KEY, env('encode').SLUICE_ENV], [{ name: 'models', key: 'api-key' }, '["KEY"]'])
  assert.equal(containerOf(of('Deployment', 'gateway')).args.slice(2), ['--tls-key', '/etc/sluice-tls/tls.key', '--tls-cert', '/etc/sluice-tls/tls.crt'])
  assert.equal(containerOf(of('Deployment', 'gateway')).readinessProbe.httpGet, { path: '/ready', port: 80, scheme: 'HTTPS' })
  const { services, text, flow: served } = await compose(flow, { secrets })
  for (const one of [text, served]) assert.not.match(one, /a-secret|said in code/)
  assert.match(services.encode.environment.KEY, /^\$\{KEY:\?/)
  assert.match((await refusal(compose(flow, { secrets, gateway: { tls: 'x' } }))).message, /gateway\.tls must be left out for Compose/)
})

test('F13: the same Flow gives the same bytes, in its folder and nowhere else; links are replaced and not followed', async () => {
  const [one, two] = [await kubernetes(shop()), await kubernetes(shop())]
  assert.equal(one.files, two.files)
  const where = fresh()
  const outside = folder.file('outside.yml', 'mine')
  mkdirSync(where)
  symlinkSync(outside, join(where, 'encode.yml'))
  writeFileSync(join(where, 'notes.txt'), 'mine')
  await shop().toKubernetesYaml(where, { image: IMAGE })
  assert.equal([readFileSync(outside, 'utf8'), readFileSync(join(where, 'notes.txt'), 'utf8')], ['mine', 'mine'])
  assert.is(readFileSync(join(where, 'encode.yml'), 'utf8'), one.files['encode.yml'])
  assert.equal(readdirSync(where).sort(), ['encode.yml', 'gateway.yml', 'notes.txt', 'rank-2.yml'])
  assert.not(existsSync(join(where, '..', 'encode.yml')))
})

test('123: names that come to one, in whatever way, are two: those of shards and of files, too', async () => {
  const two = (names: readonly [string, string]): Flow<any> =>
    new Flow<any>()
      .add({ name: names[0], uses: MODULE, ...(names[0] === 'a' && { parallel: 2, polling: 'ALL' }) } as any)
      .add({ name: names[1], uses: MODULE, ...(names[1] === 'a' && { parallel: 2, polling: 'ALL' }) } as any)
  for (const [names, files] of [
    [
      ['a', 'a-0'],
      ['a-0', 'a-0-2', 'a-1'],
    ],
    [
      ['a-1', 'a'],
      ['a-1', 'a-2-0', 'a-2-1'],
    ],
    [
      ['A_b', 'a-b'],
      ['a-b', 'a-b-2'],
    ],
    [
      ['Gateway', 'kustomization'],
      ['gateway-2', 'kustomization-2'],
    ],
  ] as const) {
    const written = await kubernetes(two(names))
    assert.equal(Object.keys(written.files).sort(), [...files.map((name) => `${name}.yml`), 'gateway.yml'].sort())
    const { services, flow } = await compose(two(names))
    assert.equal(Object.keys(services).sort(), [...files, 'gateway'].sort())
    for (const name of files) assert.match(flow, `grpc://${name}:8080`)
  }
})

test('F13: what somebody else has written stays as it is, and nothing is written by halves', async () => {
  const good = shop()
  const exports: readonly [name: string, file: string, run: (where: string) => Promise<unknown>][] = [
    ['Kubernetes', 'encode.yml', (where) => good.toKubernetesYaml(where, { image: IMAGE })],
    ['Compose', 'docker-compose.yml', (where) => good.toDockerComposeYaml(join(where, 'docker-compose.yml'), { image: IMAGE })],
    ['Compose', 'docker-compose.flow.yml', (where) => good.toDockerComposeYaml(join(where, 'docker-compose.yml'), { image: IMAGE })],
    ['Kustomize', 'base/encode.yml', (where) => toKustomize(good.plan, where, { image: IMAGE })],
  ]
  for (const [name, file, run] of exports) {
    const where = fresh()
    mkdirSync(join(where, 'base'), { recursive: true })
    writeFileSync(join(where, file), '# mine\nservices: {}\n')
    const error = await refusal(run(where))
    assert.equal([error.code, error.file], ['ERR_CONFIG', join(where, file)], name)
    assert.match(error.message, /was not written by sluice export, and stays as it is/)
    assert.equal(
      readdirSync(where, { recursive: true }).filter((one) => `${one}` !== 'base'),
      [join(file)],
    )
    // A folder in its place is no file; nor is what was begun left.
    const other = fresh()
    mkdirSync(join(other, file), { recursive: true })
    assert.match((await refusal(run(other))).message, /this is no file/)
    const own = fresh()
    await run(own)
    await run(own)
  }
})

test('F13: nothing is written behind a folder that is a link; what is to be edited stays when it is there', async () => {
  const [where, outside] = [fresh(), fresh()]
  mkdirSync(where)
  mkdirSync(outside)
  symlinkSync(outside, join(where, 'base'))
  const error = await refusal(toKustomize(shop().plan, where, { image: IMAGE }))
  assert.equal([error.code, error.file, readdirSync(outside), readdirSync(where)], ['ERR_CONFIG', join(where, 'base'), [], ['base']])
  const own = fresh()
  const overlay = join(own, 'overlays/production/kustomization.yml')
  assert.ok((await toKustomize(shop().plan, own, { image: IMAGE })).includes(overlay))
  writeFileSync(overlay, 'mine')
  assert.not((await toKustomize(shop().plan, own, { image: IMAGE })).includes(overlay))
  assert.is(readFileSync(overlay, 'utf8'), 'mine')
})

test('F13: what shows who asks an executor elsewhere stands in no file', async () => {
  for (const [options, said] of [
    [{ headers: { Authorization: 'Bearer hush-hush' } }, /far has the header "Authorization", which would stand in a file/],
    [{ headers: { 'x-api-key': 'hush-hush' } }, /far has the header "x-api-key"/],
    [{ tls: { ca: 'known', key: 'hush-hush', cert: 'known' } }, /far has tls\.key/],
    [{ tls: { keyFile: 'k', certFile: 'c' } }, /far has tls\.keyFile.*far has tls\.certFile/],
    [
      { host: 'nats://nats.example/default/far', nats: { user: 'u', password: 'hush-hush' } },
      /gateway reads a token from NATS_PASSWORD\. Name a Secret for it/,
    ],
    [{ host: 'nats://nats.example/default/far', nats: { credentialsFile: 'c' } }, /far has nats\.credentialsFile/],
    [{ host: 'http://user:hush-hush@far.example' }, /far has who asks in its host/],
  ] as const) {
    const flow = new Flow<any>().add({ name: 'far', external: true, host: 'grpcs://far.example:1', ...options } as any)
    for (const work of [() => kubernetes(flow), () => compose(flow)]) {
      const error = await refusal(work())
      assert.match(error.message, said)
      assert.not.match(error.message, /hush-hush/)
    }
  }
  const known = new Flow<any>().add({ name: 'far', external: true, host: 'grpcs://far.example:1', headers: { 'x-team': 'shop' }, tls: { ca: 'known' } } as any)
  await kubernetes(known)
  // Two names, and one variable.
  const tokens = new Flow<any>()
    .add({ name: 'a-b', external: true, host: 'grpc://a.example:1', token: 'hush-hush-of-one' } as any)
    .add({ name: 'a_b', external: true, host: 'grpc://b.example:1', token: 'hush-hush-of-two' } as any)
  const error = await refusal(kubernetes(tokens, { secrets: { gateway: { SLUICE_TOKEN_A_B: 'door/token' } } }))
  assert.match(error.message, /a_b\.token is to be read from SLUICE_TOKEN_A_B, as another one of a-b is\. Rename one of the two/)
  assert.not.match(error.message, /hush-hush/)
})

test('123: what readers of YAML 1.1 take for a new line, or drop, is written as what it is', async () => {
  const env = { A: 'a\u0085b', B: 'a\u2028b', C: '\ufeffa', D: 'a\u2029 b' }
  const flow = new Flow<any>().add({ name: 'encode', uses: MODULE, usesWith: { text: env.A }, env } as any)
  const { files, of } = await kubernetes(flow)
  const { text, services } = await compose(flow)
  for (const one of [...Object.values(files), text]) assert.not.match(one, /[\u0085\u2028\u2029\ufeff]/)
  assert.equal({ ...services.encode.environment, HOME: undefined, SLUICE_ENV: undefined }, { ...env, HOME: undefined, SLUICE_ENV: undefined })
  for (const { name, value } of containerOf(of('Deployment', 'encode')).env) if (Object.hasOwn(env, name)) assert.is(value, env[name as 'A'])
})

test('F13: a volume at /tmp stands in place of what is there else; GPUs are data', async () => {
  const flow = new Flow<any>().add({ name: 'encode', uses: 'docker://a', gpus: 'device=$HOME' } as any)
  const { of } = await kubernetes(flow, { volumes: { encode: { '/tmp': '1Gi' } } })
  const { volumeMounts } = containerOf(of('StatefulSet', 'encode'))
  assert.equal(volumeMounts, [{ name: 'data-0', mountPath: '/tmp' }])
  const { services } = await compose(flow)
  assert.equal(services.encode.deploy.resources.reservations.devices[0].device_ids.map(interpolated), ['$HOME'])
})

test('F13: Jina’s names of options, and options that are none', async () => {
  const { of } = await kubernetes(shop(), { k8sNamespace: 'shop', includeGateway: false })
  assert.is(of('Deployment', 'gateway'), undefined)
  assert.is(of('Deployment', 'encode').metadata.namespace, 'shop')
  for (const [options, pattern] of [
    [{ namespace: 'a', k8sNamespace: 'a' }, /k8sNamespace must be left out where namespace is given/],
    [{ namespce: 'a' }, /Did you mean namespace\?/],
    [{ namespace: 'A b' }, /namespace must be a name of up to 63 lower-case letters/],
    [{ namespace: 'a.b' }, /namespace must be a name of up to 63 lower-case letters/],
    [{ storageClass: 'a..b' }, /storageClass must be a name of lower-case letters/],
    [{ images: { encdoe: 'a' } }, /images names "encdoe", and there is encode/],
    [{ autoscale: { min: 3, max: 2 } }, /autoscale\.min must be no more than max/],
    [{ secrets: { encode: { A: 'the secret itself' } } }, /secrets\.encode\.A must be a Secret and a key in it.*not "…"/],
    [{ volumes: { encode: { '../x': '1Gi' } } }, /volumes\.encode must be sizes by folders/],
    [{ image: '--privileged' }, /image must be the name of an image/],
  ] as const)
    assert.match((await refusal(kubernetes(shop(), options as never))).message, pattern)
})

test('F13: Kustomize: a base, and what is different in production', async () => {
  const where = fresh()
  const names = (await toKustomize(shop().plan, where, { image: 'shop:1.0.0', registry: 'registry.example/team', namespace: 'shop' })).map((name) =>
    name.slice(where.length + 1),
  )
  assert.equal(names, ['base/gateway.yml', 'base/encode.yml', 'base/rank-2.yml', 'base/kustomization.yml', 'overlays/production/kustomization.yml'])
  const overlay = parse(readFileSync(join(where, names.at(-1)!), 'utf8'))
  assert.equal([overlay.namespace, overlay.resources], ['shop', ['../../base']])
  assert.equal(overlay.images, [
    { name: 'registry.example/rank', newTag: '1.2.0' },
    { name: 'registry.example/team/shop', newTag: '1.0.0' },
  ])
  assert.equal(parse(readFileSync(join(where, names[3]!), 'utf8')).resources, ['gateway.yml', 'encode.yml', 'rank-2.yml'])
})

test.run()
