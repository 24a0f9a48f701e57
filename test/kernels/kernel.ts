// Real kernels of notebooks, without a browser: cells are sent by Python's jupyter_client, which nbclient brings.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { Folder } from '../support/folder.js'
import { install, kept, programOf } from '../support/runtimes.mjs'
import { published } from '../support/typescript.js'
import { within } from '../support/within.js'

const NBCLIENT = '0.11.0'
const NBFORMAT = '5.11.1'
const TSLAB = '1.0.22'
/** To fetch what is not kept yet. */
const FETCH = 280_000

/** What a cell has for output. */
export interface Output {
  readonly output_type: 'execute_result' | 'display_data' | 'stream' | 'error'
  /** By MIME type. */
  readonly data?: Readonly<Record<string, string>>
  readonly text?: string
  readonly ename?: string
  readonly evalue?: string
  readonly traceback?: readonly string[]
}

export type Execute = (cells: readonly string[] | { readonly notebook: string }) => Promise<Output[][]>

type Test = (name: string, body: () => void | Promise<void>) => unknown

/** Defines tests in a kernel. Where there is none, one line says why, and one test passes in place of all. */
export async function inKernel(test: Test, name: 'deno' | 'tslab', define: (execute: Execute) => void): Promise<void> {
  const home = new Folder()
  let python: string
  try {
    python = await within(FETCH, pythonWithClient())
    const argv =
      name === 'deno' ? [await programOf('deno'), 'jupyter', '--kernel', '--conn'] : [process.execPath, await within(FETCH, tslab()), 'kernel', '--config-path']
    mkdirSync(join(home.path, 'kernels', name), { recursive: true })
    const spec = { argv: [...argv, '{connection_file}'], display_name: name, language: 'typescript' }
    writeFileSync(join(home.path, 'kernels', name, 'kernel.json'), JSON.stringify(spec))
  } catch (error) {
    // test/run.mjs shows lines that begin so.
    console.log(`skipped: notebooks of ${name}: ${(error as Error).message}`)
    test(`T3: there is no kernel of ${name} to speak to`, () => {})
    return
  }
  // tslab resolves packages as TypeScript did before `exports`; so it is there as npm would have installed it.
  const cwd = name === 'deno' ? resolve('.') : await installed(home)
  define(async (what) => {
    const file = 'notebook' in what ? [resolve(what.notebook)] : []
    const child = spawn(python, [resolve('test/kernels/execute.py'), name, ...file], { cwd, env: { ...process.env, JUPYTER_PATH: home.path } })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (text) => (stdout += text))
    child.stderr.on('data', (text) => (stderr += text))
    child.stdin.end(JSON.stringify('notebook' in what ? [] : what))
    const code = await within(120_000, new Promise((resolve) => child.on('close', resolve)))
    assert.is(code, 0, stderr)
    return JSON.parse(stdout)
  })
}

async function pythonWithClient(): Promise<string> {
  const run = promisify(execFile)
  return kept(`nbclient-${NBCLIENT}`, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python', async (folder) => {
    try {
      await run('python3', ['-m', 'venv', folder])
      await run(join(folder, 'bin/python'), [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--no-input',
        `nbclient==${NBCLIENT}`,
        `nbformat==${NBFORMAT}`,
      ])
    } catch (error) {
      throw new Error(
        `nbclient cannot be had: ${String((error as { stderr?: string }).stderr || error)
          .trim()
          .split('\n')
          .at(-1)}`,
      )
    }
  })
}

function tslab(): Promise<string> {
  return kept(`tslab-${TSLAB}`, 'node_modules/tslab/bin/tslab', (folder) => install(folder, `tslab@${TSLAB}`))
}

/** A folder with this package in its node_modules, types and all. */
async function installed(home: Folder): Promise<string> {
  const modules = join(home.path, 'project/node_modules')
  const own = join(modules, 'sluice')
  await published(own)
  for (const name of readdirSync('node_modules')) {
    const at = join(modules, name)
    if (!name.startsWith('.') && !existsSync(at)) symlinkSync(resolve('node_modules', name), at, 'junction')
  }
  return join(home.path, 'project')
}
