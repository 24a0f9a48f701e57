// Row 187: packs the package, and has bundlers make pages and servers of it, which then run: in Node, and in Chromium where there is one.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const CHROMIUM = '/usr/bin/chromium'
const BUNDLERS = [
  'esbuild@0.28.2',
  'rollup@4.68.8',
  '@rollup/plugin-node-resolve@16.0.3',
  '@rollup/plugin-commonjs@29.0.3',
  'vite6@npm:vite@6.4.6',
  'vite7@npm:vite@7.3.8',
  'vite8@npm:vite@8.4.0',
  'webpack@5.113.0',
]

const PAGE = `import { Flow } from 'sluice'
import { Client } from 'sluice/client'

export async function visit(addresses) {
  const flow = await new Flow().add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')), timeout: 5000 }).open()
  const seen = [(await flow.post('/', 'a').docs())[0].text]
  await flow.close()
  for (const address of addresses) {
    const client = new Client(address)
    seen.push((await client.post('/', 'b').docs())[0].text)
    await client.close()
  }
  return seen.join(' ')
}
globalThis.visit = visit
`
const SERVER = `import { Flow } from 'sluice'
import { Client } from 'sluice/client'

const flow = await new Flow({ port: [0, 0, 0], protocol: ['grpc', 'http', 'websocket'], graphql: true })
  .add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
  .open()
const seen = []
for (const address of Object.values(flow.addresses)) {
  const client = new Client(address, { compression: 'gzip' })
  seen.push((await client.post('/', 'b').docs())[0].text)
  await client.close()
}
const body = JSON.stringify({ query: 'mutation { docs(data: { text: "c" }) { text } }' })
const headers = { 'content-type': 'application/json' }
seen.push(await (await fetch(flow.addresses.http + '/graphql', { method: 'POST', headers, body })).text())
await flow.close()
console.log(seen.join(' '))
`

const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'sluice-bundlers-'))
const npm = (...args) => execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const own = (name) => import(pathToFileURL(join(folder, 'node_modules', name)).href)
const out = (name) => join(folder, 'out', name)
const page = join(folder, 'page.js')
const server = join(folder, 'server.js')

try {
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }')
  npm('install', '--no-audit', '--no-fund', `./${filename}`, ...BUNDLERS)
  writeFileSync(page, PAGE)
  writeFileSync(server, SERVER)
  const builds = await bundlers()
  await withFlow(async (addresses) => {
    for (const [name, build] of Object.entries(builds.pages)) {
      const made = await inTime(name, () => build(out(name)))
      await tryPage(name, made ?? join(out(name), 'page.js'), addresses)
    }
  })
  for (const [name, build] of Object.entries(builds.servers)) {
    const made = await inTime(name, () => build(out(name)))
    const seen = execFileSync(process.execPath, [made], { cwd: folder, encoding: 'utf8', timeout: 60_000 }).trim()
    expect(name, seen, 'b! b! b! {"data":{"docs":[{"text":"c!"}]}}')
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function bundlers() {
  const [esbuild, { rollup }, { default: nodeResolve }, { default: commonjs }, { default: webpack }] = await Promise.all(
    [
      'esbuild/lib/main.js',
      'rollup/dist/es/rollup.js',
      '@rollup/plugin-node-resolve/dist/es/index.js',
      '@rollup/plugin-commonjs/dist/es/index.js',
      'webpack/lib/index.js',
    ].map(own),
  )
  const vite = (major) => async (outDir) => {
    const { build } = await own(`vite${major}/dist/node/index.js`)
    const rollupOptions = { input: page, preserveEntrySignatures: 'strict', output: { entryFileNames: 'page.js' } }
    // What Vite puts before lazy imports needs a document.
    const how = { outDir, target: 'es2022', minify: false, modulePreload: false, rollupOptions }
    await build({ root: folder, configFile: false, logLevel: 'error', build: how })
  }
  const pack = (options) =>
    new Promise((resolve, reject) => {
      webpack({ mode: 'development', devtool: false, context: folder, ...options }, (error, stats) => {
        if (error) reject(error)
        else if (stats.hasErrors()) reject(new Error(stats.toString({ all: false, errors: true })))
        else resolve()
      })
    })
  return {
    pages: {
      esbuild: async (outdir) => void (await esbuild.build({ entryPoints: [page], bundle: true, splitting: true, format: 'esm', outdir, logLevel: 'silent' })),
      rollup: async (dir) => {
        const bundle = await rollup({ input: page, plugins: [nodeResolve({ browser: true }), commonjs()], logLevel: 'silent' })
        await bundle.write({ dir, format: 'es' })
      },
      'Vite 6': vite(6),
      'Vite 7': vite(7),
      'Vite 8': vite(8),
      webpack: (path) =>
        pack({
          target: ['web', 'es2022'],
          entry: page,
          experiments: { outputModule: true },
          output: { path, filename: 'page.js', library: { type: 'module' } },
        }),
    },
    servers: {
      'esbuild for a server': async (outdir) => {
        const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" }
        await esbuild.build({ entryPoints: [server], bundle: true, splitting: true, platform: 'node', format: 'esm', outdir, banner, logLevel: 'silent' })
        return join(outdir, 'server.js')
      },
      'webpack for a server': async (path) => {
        await pack({ target: 'node20', entry: server, output: { path, filename: 'server.cjs' } })
        return join(path, 'server.cjs')
      },
    },
  }
}

async function inTime(name, make) {
  const start = performance.now()
  const made = await make()
  console.log(`${name} made it in ${((performance.now() - start) / 1000).toFixed(1)} s.`)
  return made
}

function expect(name, seen, expected) {
  if (seen !== expected) throw new Error(`What ${name} made saw ${seen} instead of ${expected}`)
}

/** Has a Flow to visit, of the package as it is installed. */
async function withFlow(story) {
  const { Flow } = await own('sluice/dist/index.js')
  const flow = await new Flow({ port: [0, 0], protocol: ['http', 'websocket'], cors: true })
    .add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
    .open()
  try {
    await story(Object.values(flow.addresses))
  } finally {
    await flow.close()
  }
}

async function tryPage(name, file, addresses) {
  const { visit } = await import(pathToFileURL(file).href)
  expect(name, await visit(addresses), 'a! b! b!')
  if (!existsSync(CHROMIUM)) return console.log(`  runs in Node; not tried in a browser: no Chromium at ${CHROMIUM}`)
  const site = createServer(({ url }, response) => {
    const path = join(file, '..', url)
    if (extname(path) === '.js' && existsSync(path)) response.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(path))
    else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title>')
  })
  // A page on a busy machine loads the next module later than Node keeps a connection, and has its request meet the end of it.
  site.keepAliveTimeout = 60_000
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] })
  try {
    const tab = await browser.newPage()
    await tab.goto(`http://127.0.0.1:${site.address().port}/`)
    const seen = await tab.evaluate(`import('/page.js').then(() => visit(${JSON.stringify(addresses)}))`)
    expect(`${name} in Chromium`, seen, 'a! b! b!')
    console.log('  runs in Node and in Chromium')
  } finally {
    await browser.close()
    site.close()
  }
}
