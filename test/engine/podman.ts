// Executors in containers of a real podman, by SLUICE_DOCKER. What holds for every engine, container.ts shows with docker; here is what podman does in another way.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Flow } from '../../lib/index.js'
import { Engine } from '../../lib/place/engine.js'
import { until as untilWithin } from '../support/daemon.js'
import { Folder } from '../support/folder.js'

process.env['SLUICE_DOCKER'] = 'podman'
const { containers, docker: podman, withEngine } = await import('./engine.js')

const folder = new Folder()
const until = (what: () => unknown): Promise<number> => untilWithin(what, 60_000)
const first = async (flow: Flow<any>, on: string, input = 'x'): Promise<any> => (await flow.post(on, [input]).docs())[0]

withEngine(test, (image) => {
  const flowOf = (options: AddOptions = {}, more: object = {}): Flow<any> =>
    new Flow<any>({ closeTimeout: 60_000, ...more }).add({ name: 'podded', uses: image, ...options } as any)
  const running = (): string => podman('ps', '--quiet', '--no-trunc', '--filter', 'label=sluice.executor=podded')

  test('E8, 64, 123: it has its env, its folder and its config, and may do nothing else; killed, nothing is lost, and it is begun anew', async () => {
    const odd = 'a "b",\n$(id) --privileged'
    const there = join(folder.path, 'there, "it" is')
    mkdirSync(there)
    const own = { usesWith: { text: odd }, env: { X: odd }, volumes: `${there}:/there:ro`, memory: '256m', dockerArgs: ['--label', `odd=${odd}`] }
    const flow = await flowOf(own, { workspace: join(folder.path, 'work') }).open()
    const { tags } = await first(flow, '/about')
    assert.equal([tags.env, tags.processEnv.X, tags.config], [{ X: odd }, odd, { text: odd }])
    assert.equal([tags.there, tags.workspace, tags.privileges, tags.root, tags.tmp], [[[], 'EROFS'], true, '1', 'EROFS', true])
    assert.match(tags.capabilities, /^0+$/)
    const id = running()
    assert.is(podman('inspect', '--format', '{{index .Config.Labels "odd"}}', id), odd)
    assert.match(podman('port', id), /-> 127\.0\.0\.1:\d+$/)
    const asked = Array.from({ length: 8 }, (_, at) => first(flow, '/slow', `${at}`))
    podman('kill', id)
    assert.equal(
      (await Promise.all(asked)).map(({ text }) => text),
      Array.from({ length: 8 }, (_, at) => `${at}!`),
    )
    assert.not.equal(running(), id)
    await flow.close()
    assert.equal(containers('podded'), [])
  })

  test('64: one that runs out of memory is said to, and leaves no file of podman where the Flow runs', async () => {
    const flow = await flowOf({ memory: '256m' }).open()
    const failed = await first(flow, '/die', 'OOM').catch((error) => error)
    assert.match(failed.message, /its container (?:was ended by SIGKILL, perhaps as it )?ran out of memory, 3 times/)
    await until(() => flow.workers[0]!.state === 'up')
    await flow.close()
    assert.equal(containers('podded'), [])
    assert.not(existsSync('oom'))
  })

  test('a start that fails ends with the log; an image that is not there is said so', async () => {
    const failed = async (options: AddOptions): Promise<any> => {
      const error = await flowOf(options)
        .open()
        .then(
          () => assert.unreachable('it opened'),
          (error) => error,
        )
      return error.message
    }
    assert.match(
      await failed({ usesWith: { say: 'no model.bin here', crash: true } }),
      /ended with exit code 3. The end of its log:\n[\s\S]*no model\.bin here/,
    )
    assert.match(await failed({ uses: 'docker://127.0.0.1:1/nobody/nothing:1' }), /could not be started. The end of its log:\n[\s\S]*nothing:1/)
    assert.equal(containers('podded'), [])
  })

  test('68: those that are left are found by their labels, and removed, also where one of them is gone meanwhile', async () => {
    const left = (): string =>
      podman('run', '--detach', '--init', '--label', 'sluice.owner=another.1.1', '--entrypoint', 'node', image.slice(9), '-e', 'setInterval(() => {}, 1000)')
    const [one, other] = [left(), left()]
    const engine = new Engine('podman', true, spawn, folder.path)
    const owned = await engine.owned('sluice.owner', 'another.1.1')
    assert.equal([...owned].sort(), [one, other].map((id) => [id, 'another.1.1']).sort())
    podman('rm', '--force', '--time', '0', other)
    await engine.remove(other, one)
    assert.is((await engine.owned('sluice.owner', 'another.1.1')).size, 0)
  })
})

test.run()
