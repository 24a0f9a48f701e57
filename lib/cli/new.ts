import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { Command, Option } from 'commander'
import type { Template } from './new-files.js'
import { Usage } from './usage.js'

interface NewOptions {
  template: Template
  javascript?: boolean
  sluice?: string
}

/** As npm takes them. */
const NAME = /^[a-z\d][a-z\d._-]{0,213}$/

/** `sluice new`: a project that runs, with tests. */
export function newCommand(version: string): Command {
  return new Command('new')
    .summary('begin a project that runs, with tests')
    .description('Makes a folder with a project that runs, with tests, in TypeScript. It fetches nothing: what to call next is printed.')
    .argument('<folder>', 'where it goes; its last part is the name of the project')
    .addOption(
      new Option('--template <name>', 'pipeline: a Flow of two executors, its file and a program; executors: a package of executors for others')
        .choices(['pipeline', 'executors'] satisfies Template[])
        .default('pipeline'),
    )
    .option('--javascript', 'in JavaScript, which needs no compiler')
    .option('--sluice <package>', `what npm installs as sluice: a version, or the file of a packed one (default: ^${version})`)
    .addHelpText(
      'after',
      `
Examples:
  $ sluice new hello && cd hello && npm install && npm test && npm start
  $ sluice new hello --javascript
  $ sluice new my-executors --template executors    # sluice hub check says whether it can be published`,
    )
    .action(async (folder: string, options: NewOptions) => make(folder, options, version))
}

async function make(given: string, { template, javascript = false, sluice }: NewOptions, version: string): Promise<void> {
  const folder = resolve(given)
  const name = basename(folder)
  if (!NAME.test(name)) throw new Usage(`${name} is no name for a project. Take small letters, digits, . _ and -, and begin with a letter or a digit`)
  if (name === 'sluice') throw new Usage('A project that is called sluice cannot install sluice. Take another name')
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error.code === 'ENOTDIR' ? new Usage(`${folder} is a file. Name a folder that is not there yet, or an empty one`) : error
  })
  // What git keeps there is no project.
  if (there.some((file) => file !== '.git')) throw new Usage(`${folder} has files in it. Name a folder that is not there yet, or an empty one`)
  const isFile = sluice !== undefined && /^\.{0,2}\/|\.tgz$/.test(sluice)
  const wanted = isFile ? `file:${relative(folder, resolve(sluice))}` : (sluice ?? `^${version}`)
  const { filesOf } = await import('./new-files.js')
  for (const [path, text] of Object.entries(filesOf(template, { name, sluice: wanted, typescript: !javascript }))) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    // Never over what somebody wrote in the meantime.
    await writeFile(file, text, { flag: 'wx' })
    process.stdout.write(`${join(given, path)}\n`)
  }
  process.stderr.write(`
${name} is there. Next:
  cd ${given}
  npm install
  npm test
  ${template === 'pipeline' ? 'npm start' : 'npx sluice hub check'}
${sluice === undefined ? `Where your registry has no sluice: npm install <the way to sluice-${version}.tgz>, in place of npm install\n` : ''}`)
}
