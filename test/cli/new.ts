// Projects as `sluice new` begins them: each of them runs, and its tests pass. .ci/package.mjs installs one with npm.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'
import { published } from '../support/typescript.js'

const folder = new Folder()
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

async function made(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const command = new Command(['new', ...args])
  const { code } = await command.end
  return { code, stdout: command.stdout, stderr: command.stderr }
}

/** As npm install would leave it, where this package is a link. */
async function install(project: string): Promise<void> {
  const own = folder.file('sluice')
  if (!existsSync(own)) {
    await published(own)
    symlinkSync(resolve('node_modules'), join(own, 'node_modules'), 'junction')
  }
  for (const name of ['sluice', 'typescript', '@types/node']) {
    const link = join(project, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(name === 'sluice' ? own : resolve('node_modules', name), link, 'junction')
  }
}

function run(project: string, file: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { cwd: project, encoding: 'utf8', env: { PATH: process.env.PATH } })
  assert.is(status, 0, stdout + stderr)
  return stdout
}

for (const template of ['pipeline', 'executors'])
  for (const language of ['TypeScript', 'JavaScript']) {
    test(`T1: sluice new: a project of ${template} in ${language} is built, tested and run by its own scripts`, async () => {
      const isTyped = language === 'TypeScript'
      const name = `${template}-${isTyped ? 'ts' : 'js'}`
      const project = folder.file(name)
      const { code, stdout, stderr } = await made(project, '--template', template, ...(isTyped ? [] : ['--javascript']))
      assert.is(code, 0, stderr)
      assert.match(stderr, /npm install\n {2}npm test\n/)
      assert.match(stderr, new RegExp(`Where your registry has no sluice: npm install .*sluice-${version}\\.tgz`))
      const files = readdirSync(project, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
      assert.is(stdout.trim().split('\n').length, files.length)
      assert.ok(files.every(({ name }) => isTyped || !/\.ts$|tsconfig/.test(name)))
      const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
      assert.is(manifest.name, name)
      // Without these, npm warns of an install script, and pnpm ends with an error.
      assert.equal(manifest.allowScripts, { protobufjs: false })
      assert.is(readFileSync(join(project, 'pnpm-workspace.yaml'), 'utf8'), 'allowBuilds:\n  protobufjs: false\n')
      assert.is(existsSync(join(project, '.yarnrc.yml')), isTyped, 'the compiler finds no types by Plug’n’Play')
      assert.is({ ...manifest.dependencies, ...manifest.devDependencies }.sluice, `^${version}`)
      await install(project)
      if (isTyped) run(project, resolve('node_modules/typescript/bin/tsc'))
      const [, suite] = /node --test (\S+)$/.exec(manifest.scripts.test)!
      assert.match(run(project, '--test', suite!), /# fail 0|ℹ fail 0/)
      if (template === 'pipeline') {
        assert.match(run(project, /node (\S+)$/.exec(manifest.scripts.start)![1]!), /^Documents go in, \{ words: 3/)
        // Through pipes, and by a link: while Node 20 had seen a pipe last, it took the linked sluice for another.
        writeFileSync(join(project, 'in.ndjson'), '{"text":" a  bc "}\n')
        assert.match(run(project, 'node_modules/sluice/dist/cli/main.js', 'run', 'flow.yml', '-i', 'in.ndjson'), /"text":"a bc".*"longest":\["bc","a"\]/)
      } else assert.match(run(project, 'node_modules/sluice/dist/cli/main.js', 'hub', 'check'), /offers {2}Shout: \/shout\nIt can be published/)
    })
  }

test('T1: sluice new writes over nothing, and takes names that npm takes', async () => {
  const taken = new Folder()
  taken.file('file', 'mine')
  taken.file('full/file', 'mine')
  for (const [where, says] of [
    [taken.file('full'), /has files in it/],
    [taken.file('file'), /is a file/],
    [taken.file('Big'), /Big is no name for a project/],
    [taken.file('sluice'), /cannot install sluice/],
  ] as const) {
    const { code, stderr } = await made(where)
    assert.is(code, 2, stderr)
    assert.match(stderr, says)
  }
  assert.equal(readdirSync(taken.path), ['file', 'full'])
  // What git keeps is no project.
  execFileSync('git', ['init', '-q', taken.file('repository')])
  assert.is((await made(taken.file('repository'), '--javascript')).code, 0)
})

test('T1: sluice new names a packed sluice by the way there', async () => {
  const { code, stderr } = await made(folder.file('deep/er'), '--javascript', '--sluice', folder.file('sluice-1.0.0.tgz'))
  assert.is(code, 0)
  assert.not.match(stderr, /registry/)
  assert.is(JSON.parse(readFileSync(folder.file('deep/er/package.json'), 'utf8')).dependencies.sluice, 'file:../../sluice-1.0.0.tgz')
})

test.run()
