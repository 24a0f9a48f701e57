// An image of an executor, without a registry: this machine's node with the libraries it needs, and the package as it is packed. `docker import` makes one of a folder.
//   node test/engine/image.mjs
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export const IMAGE = 'sluice-test:1'

/** Makes it anew: the package may be another. @param docker the command @returns what it is called */
export async function makeImage(docker = 'docker') {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-image-'))
  try {
    fill(join(folder, 'root'))
    const made = ['--change', 'ENTRYPOINT ["node", "/app/node_modules/sluice/dist/cli/sluice.js", "executor", "/app/executor.js#Doing"]']
    const path = ['--change', 'ENV PATH=/usr/local/bin:/bin', '--change', 'WORKDIR /app']
    const tar = spawn('tar', ['-C', join(folder, 'root'), '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const load = spawn(docker, ['import', ...made, ...path, '-', IMAGE], { stdio: [tar.stdout, 'ignore', 'inherit'] })
    const code = await new Promise((resolve, reject) => load.on('close', resolve).on('error', reject))
    if (code !== 0) throw new Error(`docker import ended with ${code}`)
    return IMAGE
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function fill(root) {
  const put = (from, to = from) => {
    mkdirSync(dirname(join(root, to)), { recursive: true })
    cpSync(from, join(root, to), { recursive: true, dereference: true })
  }
  for (const folder of ['tmp', 'etc', 'app/node_modules/sluice']) mkdirSync(join(root, folder), { recursive: true })
  put(process.execPath, 'usr/local/bin/node')
  const linked = execFileSync('ldd', [process.execPath], { encoding: 'utf8' })
  for (const [path] of linked.matchAll(/(?<==> |^\s+)\/\S+/gm)) put(realpathSync(path.trim()), path.trim())
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', root], { encoding: 'utf8' }))
  execFileSync('tar', ['-xzf', join(root, filename), '-C', join(root, 'app/node_modules/sluice'), '--strip-components=1'])
  rmSync(join(root, filename))
  const seen = new Set()
  const add = (name, from) => {
    if (seen.has(name)) return
    seen.add(name)
    const folder = found(name, from)
    if (folder === undefined) return
    put(folder, join('app/node_modules', name))
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    for (const other of Object.keys(dependencies)) add(other, folder)
  }
  for (const name of Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies)) add(name, '.')
  for (const file of ['executor.js', 'relay.mjs']) put(join('test/engine', file), join('app', file))
}

/** Where node would look for it. */
function found(name, from) {
  for (let at = resolve(from); ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(folder)) return folder
    if (at === dirname(at)) return undefined
  }
}

if (import.meta.filename === process.argv[1]) console.log(await makeImage())
