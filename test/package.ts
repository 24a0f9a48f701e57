// What is installed with the package, and what is in it.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
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
  readonly engines?: { readonly node?: string }
  readonly libc?: readonly string[]
  readonly link?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }
const own = JSON.parse(readFileSync('package.json', 'utf8'))
/** The workspace that the site is made in, and npm's link to it. */
const isSite = (path: string, { link }: Locked): boolean => path === 'docs' || link === true
const production = Object.entries(packages).filter(
  ([path, locked]) => path !== '' && !isSite(path, locked) && !locked.dev && !locked.devOptional && !locked.peer,
)

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
    if (resolved !== undefined && !isSite(path, packages[path]!)) assert.match(resolved, /^https:\/\/registry\.npmjs\.org\//, path)
  }
})

test('186: all that is installed with the package runs on the lowest Node that it promises', () => {
  const lowest = numbers(own.engines.node.replace('>=', ''))
  for (const [path, { engines }] of production) assert.ok(admits(engines?.node ?? '*', lowest), `${path} wants Node ${engines?.node}`)
  assert.not.ok(admits('>=22.15.0', lowest))
  assert.not.ok(admits('^18.0.0 || >=22.0.0', lowest))
  assert.ok(admits('6.* || 8.* || >= 10.*', lowest))
})

function numbers(version: string): number[] {
  return [0, 1, 2].map((at) => Number(version.split('.')[at]) || 0)
}

/** Whether a range, as packages write theirs of Node, has a version in it. */
function admits(range: string, version: readonly number[]): boolean {
  return range.split('||').some((part) => {
    const [, operator, wanted] = /^\s*(>=|\^|)\s*([\d.*]+)\s*$/.exec(part) ?? assert.unreachable(`what is ${range}?`) ?? []
    if (wanted === '*') return true
    const floor = numbers(wanted!)
    const over = version.map((number, at) => number - floor[at]!).find((difference) => difference !== 0) ?? 0
    return over >= 0 && (operator === '>=' || version[0] === floor[0])
  })
}

test('186: what was built asks for nothing but Node and what is installed with the package', () => {
  const known = [...Object.keys(own.dependencies), ...Object.keys(own.peerDependencies)]
  const files = readdirSync('dist', { recursive: true, encoding: 'utf8' }).filter((file) => /\.js$/.test(file) && !file.includes('graphiql'))
  const asked = files.flatMap((file) =>
    [...readFileSync(`dist/${file}`, 'utf8').matchAll(/(?:^(?:import|export)\b[^'"\n]*|[^.\w]import\()"([^".][^"]*)"/gm)].map(([, name]) => name!),
  )
  const chosen = Object.values(own.imports as Record<string, { default: string }>).map((choice) => choice.default)
  const outside = [...asked, ...chosen].filter((name) => !/^(node:|\.)/.test(name) && !Object.hasOwn(own.imports, name))
  const packages = new Set(outside.map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)![0]))
  assert.ok(packages.has('graphql') && packages.has('@grpc/grpc-js'))
  assert.equal(
    [...packages].filter((name) => !known.includes(name)),
    [],
  )
})

test('186: the page of GraphiQL is found from wherever its server was built to', async () => {
  // Not as TypeScript finds it: what was built is of the package's next build, not of this one's types.
  const [{ Flow }, { createGraphQL }] = await Promise.all(['index', 'wire/graphql/index'].map((entry) => import(resolve(`dist/${entry}.js`))))
  const flow = await new Flow().add({ uses: () => {} }).open()
  const { fetch } = createGraphQL(flow, { graphiql: true })
  const script = await fetch(new Request('http://localhost/graphql?asset=graphiql.js'))
  await flow.close()
  assert.is(script.status, 200)
  assert.match(script.headers.get('content-type') ?? '', 'javascript')
})

const [{ files, unpackedSize }] = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
)
const packed: string[] = files.map(({ path }: { path: string }) => path)

test('what the package is read by leads nowhere that is not in it', () => {
  const texts = packed.filter((path) => /^[^/]+\.md$|^docs\/.*\.md$/.test(path))
  assert.ok(texts.includes('README.md') && texts.includes('docs/guarantees.md'))
  for (const text of texts)
    for (const [, link] of readFileSync(text, 'utf8').matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue
      const target = relative('.', resolve(dirname(text), link!)).replaceAll('\\', '/')
      assert.ok(packed.includes(target), `${text} links to ${link}, which is not in the package`)
    }
})

/** Bytes of all files in a package, without the packages in it. */
const sizeOf = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !relative(path, entry.parentPath).split(/[\\/]/).includes('node_modules'))
    .reduce((sum, { parentPath, name }) => sum + statSync(resolve(parentPath, name)).size, 0)

test('T5: what is installed has a bound, in packages and in bytes, and docs/comparison.md tells it', () => {
  const said = /brings (\d+) other packages\. With them it takes (\d+) MB at most, and (\d+) of these are sluice itself/.exec(
    readFileSync('docs/comparison.md', 'utf8'),
  )!
  const [count, all, itself] = said.slice(1).map(Number) as [number, number, number]
  assert.is(production.length, count)
  const bytes = production.filter(([path]) => existsSync(path)).reduce((sum, [path]) => sum + sizeOf(path), 0)
  assert.ok(bytes > 1e7 && bytes + unpackedSize <= all * 1e6, `${bytes + unpackedSize} bytes`)
  assert.ok(unpackedSize <= itself * 1e6, `${unpackedSize} bytes`)
})

test('R130: the package holds what was built and what is read, and nothing else', () => {
  const others = packed.filter(
    (path) =>
      !/^dist\/[\w./@-]+\.(js|d\.ts|css|json|txt)$|^docs\/[\w-]+\.(md|svg|jpg)$|^bench\/results\/[\w-]+\.md$|^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(
        path,
      ),
  )
  assert.equal(others, [])
})

test.run()
