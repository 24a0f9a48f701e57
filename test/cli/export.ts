import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()

async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  await using command = new Command(['export', ...args])
  const { code } = await command.end
  return { code, stdout: command.stdout, stderr: command.stderr }
}

test('T1, F13: sluice export writes what it says, for each of its formats', async () => {
  const where = (name: string): string => folder.file(name)
  const [kubernetes, kustomize, compose] = await Promise.all([
    run(
      'kubernetes',
      'examples/run/flow.yml',
      where('k8s'),
      '--image',
      'a:1',
      '--image-of',
      'gateway=b:1',
      '--registry',
      'registry.example',
      '--env',
      'redact.A=x=$(y)',
      '--autoscale',
      '2-4',
    ),
    run('kustomize', 'examples/run/flow.yml', where('kustomize'), '--image', 'a:1'),
    run('compose', 'examples/run/flow.yml', where('compose'), '--image', 'a:1', '--publish', '0.0.0.0'),
  ])
  for (const { code, stdout, stderr } of [kubernetes, kustomize, compose]) {
    assert.equal([code, stderr], [0, ''])
    for (const file of stdout.trim().split('\n')) assert.ok(existsSync(file), file)
  }
  assert.match(readFileSync(where('k8s/gateway.yml'), 'utf8'), /image: registry\.example\/b:1$/m)
  assert.match(readFileSync(where('compose/docker-compose.yml'), 'utf8'), /- 0\.0\.0\.0:8080:8080$/m)
  assert.match(kustomize.stdout, /overlays\/production\/kustomization\.yml\n$/)
})

test('T1: sluice export: what makes no sense is said, with exit code 2; what cannot go, with 1', async () => {
  const all = await Promise.all([
    run('kubernetes', 'examples/run/flow.yml', folder.file('x'), '--publish', '0.0.0.0'),
    run('compose', 'examples/run/flow.yml', folder.file('x'), '--no-network-policy'),
    run('kubernetes', 'examples/run/flow.yml', folder.file('x'), '--env', 'A=x'),
    run('helm', 'examples/run/flow.yml', folder.file('x')),
    run('kubernetes', 'examples/run/flow.yml', folder.file('x'), '--image', 'A b'),
    run('kubernetes', 'examples/run/flow.yml', folder.file('x')),
  ])
  assert.equal(
    all.map(({ code }) => code),
    [2, 2, 2, 2, 2, 1],
  )
  const [publish, policy, env, format, image, none] = all.map(({ stderr }) => stderr)
  assert.match(publish!, /--publish means nothing for kubernetes/)
  assert.match(policy!, /--no-network-policy means nothing for compose/)
  assert.match(env!, /It is container\.name=value/)
  assert.match(format!, /kubernetes, kustomize, compose/)
  assert.match(image!, /image must be the name of an image/)
  assert.match(none!, /has no image\. Put sluice and its module into one/)
  assert.not(existsSync(folder.file('x')))
})

test.run()
