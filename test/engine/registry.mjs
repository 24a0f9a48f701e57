// A registry as npm's, of what this clone has installed, and of the package as it is packed: so that an image can be built of a Dockerfile, wherever that is.
import { execFile, spawn } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Serves it, for this machine alone. @returns its address, and what ends it */
export async function registry() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-registry-'))
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])
  const own = JSON.parse(readFileSync('package.json', 'utf8'))
  const packed = join(folder, JSON.parse(stdout)[0].filename)
  const all = installed(resolve('node_modules'))
  all.set(own.name, new Map([[own.version, { manifest: own, stream: () => createReadStream(packed) }]]))
  const server = createServer(({ url, headers }, response) => {
    const [name, version] = decodeURIComponent(url.slice(1)).split('/-/')
    const versions = all.get(name)
    if (versions === undefined) return response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Not found"}')
    if (version !== undefined) return versions.get(version).stream().pipe(response)
    const told = [...versions].map(([version, { manifest }]) => [
      version,
      { ...manifest, dist: { tarball: `http://${headers.host}/${encodeURIComponent(name)}/-/${version}` } },
    ])
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ name, 'dist-tags': { latest: told[0][0] }, versions: Object.fromEntries(told) }))
  })
  await new Promise((listens) => server.listen(0, '127.0.0.1', listens))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.close()
      server.closeAllConnections()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Packages by name and version: of each name, the one that stands outermost comes first. */
function installed(modules, all = new Map()) {
  const names = readdirSync(modules).flatMap((name) => (name.startsWith('@') ? readdirSync(join(modules, name)).map((one) => `${name}/${one}`) : [name]))
  const folders = names.map((name) => join(modules, name)).filter((one) => existsSync(join(one, 'package.json')))
  for (const folder of folders) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const { name, version } = manifest
    if (!all.has(name)) all.set(name, new Map())
    if (!all.get(name).has(version)) all.get(name).set(version, { manifest, stream: () => packed(folder) })
  }
  for (const folder of folders) if (existsSync(join(folder, 'node_modules'))) installed(join(folder, 'node_modules'), all)
  return all
}

/** A folder as npm packs it: whatever stands in front of the first slash is dropped. */
function packed(folder) {
  const name = basename(folder)
  return spawn('tar', ['-C', dirname(folder), '-czh', `--exclude=${name}/node_modules`, name], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout
}
