// What docker is told of a container: each value is one argument, whatever is in it, and nothing is open that need not be. Real containers have a suite of their own,
// test/engine.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Flow } from '../../lib/index.js'
import { type Container, imageOf, runOf } from '../../lib/place/docker.js'
import { Folder } from '../support/folder.js'

const absolute = (path: string): string => (path.startsWith('/') ? path : `/here/${path.replace(/^\.\//, '')}`)
const run = (options: AddOptions = {}, more: Partial<Container> = {}) => {
  const all = {
    image: 'ocr:1',
    name: 'sluice-ocr-0-1',
    executor: 'ocr',
    labels: { 'sluice.owner': '1' },
    env: {},
    workspace: undefined,
    hostPort: undefined,
    isPodman: false,
  }
  return runOf({ ...all, ...more, options }, absolute)
}
/** What stands before the image, and behind it. */
const parts = (options: AddOptions = {}, more: Partial<Container> = {}) => {
  const { args } = run(options, more)
  const at = args.lastIndexOf('ocr:1')
  return { before: args.slice(0, at), behind: args.slice(at + 1) }
}
const after = (args: readonly string[], flag: string) => args.flatMap((arg, at) => (arg === flag ? [args[at + 1]] : []))
const refused = (make: () => unknown, message: RegExp) => {
  try {
    make()
  } catch (error) {
    assert.is((error as any).code, 'ERR_USES_INVALID')
    return assert.match((error as Error).message, message)
  }
  assert.unreachable('it was taken')
}

test('a container sees nothing and may do nothing that is not said', () => {
  const { before, behind } = parts()
  const flags = ['--init', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--publish', '127.0.0.1::8080/tcp']
  for (const flag of flags) assert.ok(before.includes(flag), flag)
  assert.equal(after(before, '--mount'), [])
  assert.not.ok(before.some((arg) => /privileged$|^--rm$|^--network/.test(arg)))
  assert.equal(behind, ['--name', 'ocr', '--port', '8080', '--host', '0.0.0.0'])
})

test('options become flags of docker; what dockerArgs and args say comes last', () => {
  const { before, behind } = parts({
    ...{ memory: '512m', cpus: 0.5, gpus: 'device=0,1', network: 'net', user: '1000:1000', pull: 'always', entrypoint: ['/bin/run', '-x'] },
    ...{ args: ['--verbose'], dockerArgs: ['--cap-add', 'SYS_NICE'], usesWith: { model: 'a "b" $(c)' } },
  })
  const flags = ['--memory=536870912', '--memory-swap=536870912', '--cpus=0.5', '--gpus="device=0,1"', '--network=net', '--user=1000:1000', '--pull=always']
  for (const flag of [...flags, '--entrypoint=/bin/run']) assert.ok(before.includes(flag), flag)
  assert.equal(before.slice(-2), ['--cap-add', 'SYS_NICE'])
  assert.equal(behind, ['-x', ...['--name', 'ocr', '--port', '8080', '--host', '0.0.0.0', '--uses-with', '{"model":"a \\"b\\" $(c)"}'], '--verbose'])
  assert.equal(parts({}, { hostPort: 4711 }).behind.slice(2), ['--port', '4711', '--host', '127.0.0.1'])
  assert.equal(after(parts({}, { hostPort: 4711 }).before, '--publish'), [])
})

test('podman is told of graphics processors as devices, as its --gpus does nothing', () => {
  const devices = (gpus: string) => parts({ gpus }, { isPodman: true }).before.filter((arg) => /gpu/.test(arg))
  assert.equal(devices('all'), ['--device=nvidia.com/gpu=all'])
  assert.equal(devices('2'), ['--device=nvidia.com/gpu=0', '--device=nvidia.com/gpu=1'])
  assert.equal(devices('device=0,GPU-1a'), ['--device=nvidia.com/gpu=0', '--device=nvidia.com/gpu=GPU-1a'])
  refused(() => run({ gpus: 'driver=nvidia,capabilities=utility' }, { isPodman: true }), /podman knows 'all'/)
})

test('123: quotes, spaces, commas, newlines and $() in a value stay data', () => {
  const odd = 'a "b", c\n$(id) --privileged=x'
  const { before } = parts({ volumes: [`/x ${odd}:/there:ro`, './models', 'data:/d', '../up:/up'] })
  assert.equal(after(before, '--mount'), [
    `type=bind,"source=/x ${odd.replaceAll('"', '""')}",target=/there,readonly`,
    'type=bind,source=/here/models,target=/models',
    'type=volume,source=data,target=/d',
    'type=bind,source=/here/../up,target=/up',
  ])
  const { args, env } = run({}, { env: { ODD: odd, HOME: '/home/x', DOCKER_HOST: 'other' } })
  assert.is(env['ODD'], odd, 'not on the command line, where others see it')
  assert.ok(args.includes('ODD') && !args.some((arg) => arg.includes(odd)))
  assert.equal(env['HOME'] ?? env['DOCKER_HOST'], undefined, 'docker reads these itself')
  assert.ok(args.includes('HOME=/home/x') && args.includes('DOCKER_HOST=other'))
  assert.equal(JSON.parse(env['SLUICE_ENV']!), ['ODD', 'HOME', 'DOCKER_HOST'])
})

test('what is no image, no volume and no environment is refused, with what to write', () => {
  for (const image of ['ocr', 'me/ocr:1', 'registry.example:5000/a/ocr@sha256:00ff', 'ocr:1@sha256:00ff']) assert.is(imageOf('ocr', `docker://${image}`), image)
  for (const image of ['', '--privileged', 'a b', 'a/--x', 'ocr:', 'a//b', 'ocr\n', '$(id)', 'ocr@x'])
    refused(() => imageOf('ocr', `docker://${image}`), /names no image. Write docker:\/\/name/)
  for (const volume of ['/a:b', ':/a', '/a:/', '/a:/b:rx', '/a:/b:ro:z', 'a'])
    refused(() => run({ volumes: volume }), /ocr has the volume .*Write '\.\/here:\/there'/)
  for (const key of ['', 'A=B', 'A*', 'A\0']) refused(() => run({}, { env: { [key]: 'x' } }), /which a container cannot have/)
  refused(() => run({}, { env: { A: '\0' } }), /character of number 0 in env A/)
  refused(() => run({ args: ['\0'] }), /no command line/)
})

const refusal = async (options: AddOptions): Promise<any> =>
  new Flow<any>()
    .add({ name: 'ocr', ...options } as any)
    .open()
    .then(
      () => assert.unreachable('it opened'),
      (error) => error,
    )

test('what would do nothing in a container, or nobody could reach, is refused before anything is begun', async () => {
  for (const [options, message] of [
    [{ usesMetas: { name: 'x' } }, /ocr runs in a container, where usesMetas would do nothing/],
    [{ network: 'none' }, /network: "none", in which nobody could reach it/],
    [{ pull: 'sometimes' as never }, /pull must be one of missing, always, never/],
    [{ inheritEnv: true }, /runs in a container, which .*inheritEnv would do nothing/],
    [{ unresponsiveAfter: 5 }, /runs in a container, which .*unresponsiveAfter would do nothing/],
    [{ uses: 'docker://a b' }, /names no image/],
    [{ uses: './module.js#X', runtime: 'container' as const }, /is no image. Put it into one/],
    [{ uses: 'jinahub+docker://CLIPEncoder' }, /gives out no images any more. Where you have its image, write docker:\/\//],
  ] as [AddOptions, RegExp][])
    assert.match((await refusal({ uses: 'docker://ocr', ...options })).message, message)
})

test('a package names its image, or is refused; where there is neither docker nor podman, that is said', async () => {
  const folder = new Folder()
  const before = { cwd: process.cwd(), path: process.env['PATH'] }
  const manifest = (name: string, more: object) => folder.file(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', ...more }))
  manifest('with-image', { sluice: { image: 'registry.example/ocr@sha256:00ff' } })
  manifest('without', {})
  process.chdir(folder.path)
  process.env['PATH'] = folder.path
  try {
    const error = await refusal({ uses: 'npm:with-image', runtime: 'container' })
    assert.match(error.message, /^ocr runs in a container, and there is neither docker nor podman on the PATH/)
    assert.match((await refusal({ uses: 'npm:without', runtime: 'container' })).message, /without names no image: its package\.json has no "sluice"/)
    assert.match((await refusal({ uses: 'npm:with-image' })).message, /with-image/)
  } finally {
    process.chdir(before.cwd)
    process.env['PATH'] = before.path
  }
})

test('Jina’s names of a container in YAML are those of here, and paths start at the file', async () => {
  const folder = new Folder()
  const file = folder.file(
    'flow.yml',
    [
      'jtype: Flow\nexecutors:\n  - name: ocr\n    uses: docker://ocr:1\n    volumes: [./models:/models, data:/d]\n    gpus: all\n    entrypoint: run',
      '    timeout_ready: -1\n    force_network_mode: HOST\n    pull_latest: true\n    env: { A: 1 }\n  - name: here\n    uses: BaseExecutor\n    volumes: x\n    timeout_ready: 5\n',
    ].join('\n'),
  )
  const notices: string[] = []
  const flow = await Flow.loadConfig(file, { onNotice: (notice) => notices.push(notice) })
  const [{ options }, { options: here }] = flow.plan.steps as any
  assert.equal(
    { ...options, name: undefined },
    {
      ...{ name: undefined, uses: 'docker://ocr:1', volumes: [`${folder.path}/models:/models`, 'data:/d'], gpus: 'all', entrypoint: 'run' },
      ...{ readyTimeout: 0x7fffffff, network: 'host', pull: 'always', env: { A: '1' } },
    },
  )
  assert.equal([here.volumes, here.readyTimeout], [undefined, undefined])
  assert.equal(notices.length, 2)
  for (const notice of notices)
    assert.match(notice, /volumes has no effect: this executor runs in no container|timeout_ready has no effect: this executor runs in this process/)
})

test.run()
