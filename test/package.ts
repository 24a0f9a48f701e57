// What is installed with the package, and what is in it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

interface Locked {
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optional?: boolean
  readonly peer?: boolean
  readonly hasInstallScript?: boolean
  readonly integrity?: string
  readonly resolved?: string
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }
const own = JSON.parse(readFileSync('package.json', 'utf8'))
const production = Object.entries(packages).filter(([path, { dev, devOptional, peer }]) => path !== '' && !dev && !devOptional && !peer)

test('R130: nothing that comes with the package runs a script when it is installed, but one that may as well not run', () => {
  assert.ok(production.length > 10)
  const running = production.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path)
  // Below gRPC, for what we do not use of it. Its script looks at how package.json names it, and warns; nothing needs it to have run.
  assert.equal(running, ['node_modules/@grpc/proto-loader/node_modules/protobufjs'])
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) assert.is(own.scripts[script], undefined, script)
})

test('R130: the lock is that of package.json, and each package in it is named by its hash', () => {
  assert.equal((packages[''] as any).dependencies, own.dependencies)
  assert.equal((packages[''] as any).devDependencies, own.devDependencies)
  for (const [path, { integrity }] of production) assert.match(integrity ?? '', /^sha512-/, path)
})

test('192: npm install has nothing to add to the lock, on whatever platform, nor to take from it', () => {
  for (const [path, { optionalDependencies = {}, libc, resolved }] of Object.entries(packages)) {
    // Made where other platforms are left out, a lock lacks their packages, and the next install writes them into it.
    const above = path === '' ? [] : path.split('/node_modules/').map((_, at, all) => `${all.slice(0, at + 1).join('/node_modules/')}/`)
    for (const name of Object.keys(optionalDependencies))
      assert.ok(
        ['', ...above].some((place) => Object.hasOwn(packages, `${place}node_modules/${name}`)),
        `${path} has no ${name}: make the lock anew, without node_modules`,
      )
    // npm 11 writes it, npm 10 takes it out again; neither misses it.
    assert.is(libc, undefined, `${path} says libc: run npm@10 install --package-lock-only`)
    // Left out, it is the registry of whoever installs.
    if (resolved !== undefined) assert.match(resolved, /^https:\/\/registry\.npmjs\.org\//, path)
  }
})

test('R130: the package holds what was built and what is read, and nothing else', () => {
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  const others = files
    .map(({ path }: { path: string }) => path)
    .filter((path: string) => !/^dist\/[\w./@-]+\.(js|d\.ts|css|json|txt)$|^docs\/\w+\.(md|svg)$|^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(path))
  assert.equal(others, [])
})

test.run()
