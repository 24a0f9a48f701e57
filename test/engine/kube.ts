// Deployments of an exported file for Kubernetes, run by podman play kube: a gateway and two executors. Podman has no Services, so each pod is told in hostAliases
// where the names are that the files name. There is no registry either, so images are not pulled; and it would open their ports on this machine. All else in the
// Deployments is as it was exported. A dollar is written twice there, which Kubernetes makes one again, and podman 4.3 does not: so no value has one here.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAllDocuments, stringify } from 'yaml'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'
import { until } from '../support/until.js'

process.env['SLUICE_DOCKER'] = 'podman'
const { docker: podman, withEngine } = await import('./engine.js')
const folder = new Folder()
const PORT = 8080
/** Which `play kube` makes, and leaves. */
const NETWORK = 'podman-default-kube-network'

withEngine(test, (image) => {
  test('F13, 123, 140: podman play kube runs the Deployments: a gateway finds two executors by their names, and they may do nothing else', async () => {
    const odd = 'a "b" `c`\n- privileged: true'
    const step = (name: string, more: object = {}) => ({ name, uses: './test/engine/executor.js#Doing', ...more })
    const flow = new Flow<any>({ name: 'played', protocol: ['grpc', 'http'], port: PORT })
      .add(step('first', { usesWith: { text: odd }, env: { ODD: odd } }) as any)
      .add(step('second') as any)
    const files = await flow.toKubernetesYaml(folder.path, { image: image.replace('docker://', ''), root: 'test/engine', gateway: { replicas: 1 } })
    const played: string[] = []
    const hadNetwork = spawnSync('podman', ['network', 'exists', NETWORK]).status === 0
    /** Runs what podman knows of the file of one. @returns the address of its pod */
    const play = (name: string, hosts: Readonly<Record<string, string>>): string => {
      const all = parseAllDocuments(readFileSync(files.find((file) => file.endsWith(`${name}.yml`))!, 'utf8')).map((one) => one.toJS())
      const deployment = all.find(({ kind }) => kind === 'Deployment')
      const { spec } = deployment.spec.template
      for (const container of spec.containers) {
        container.imagePullPolicy = 'Never'
        delete container.ports
      }
      spec.hostAliases = Object.entries(hosts).map(([host, ip]) => ({ ip, hostnames: [host] }))
      const file = folder.file(`played/${name}.yaml`, all.map((one) => stringify(one)).join('---\n'))
      played.push(file)
      podman('play', 'kube', file)
      const infra = podman('pod', 'inspect', '--format', '{{.InfraContainerID}}', `${name}-pod-0`)
      return podman('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', infra)
    }
    try {
      const hosts = Object.fromEntries(['first', 'second'].map((name) => [name, play(name, {})]))
      const gateway = play('gateway', hosts)
      for (const address of [`grpc://${gateway}:${PORT}`, `http://${gateway}:${PORT}`]) {
        await using client = new Client(address)
        await until(() => client.isFlowReady(), 60_000)
        const [doc] = await client.post('/about', ['x'], { targetExecutor: 'first' }).docs()
        const { env, config, capabilities, privileges, root, tmp, name, uid } = (doc as any).tags
        assert.equal([env, config, privileges, root, tmp, name, uid], [{ ODD: odd }, { text: odd }, '1', 'EROFS', true, 'first', 65534])
        assert.match(capabilities, /^0+$/)
        assert.is((await client.post('/slow', ['x']).docs())[0]!.text, 'x!!')
      }
    } catch (error) {
      for (const id of podman('ps', '--all', '--quiet')
        .split('\n')
        .filter((id) => id !== ''))
        console.log(spawnSync('podman', ['logs', '--tail', '20', id], { encoding: 'utf8' }))
      throw error
    } finally {
      for (const file of played.reverse()) spawnSync('podman', ['play', 'kube', '--down', file])
      if (!hadNetwork) spawnSync('podman', ['network', 'rm', NETWORK])
    }
  })
})

test.run()
