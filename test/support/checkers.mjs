// Programs that judge files for Kubernetes: kubernetes-validate of PyPI, and kube-score and kubeconform by `go install`. Each is had once, and kept for the next run.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const tools = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice-ci')
const python = join(tools, 'python')
/** Milliseconds for each to be there. */
const TIME = 300_000
/** The oldest version of Kubernetes that is written for. */
const OLDEST = 30
/** Bytes that they may say. */
const MUCH = 1 << 26

/** Makes a tool be there. @returns undefined, and says so, where it cannot be had */
async function tool(name, path, make) {
  if (existsSync(path)) return path
  try {
    mkdirSync(tools, { recursive: true })
    for (const [command, ...args] of make) await run(command, args, { timeout: TIME, env: { ...process.env, GOBIN: tools } })
    return path
  } catch (error) {
    const reason = String(error.stderr || error)
      .trim()
      .split('\n')
      .at(-1)
    console.log(`skipped: ${name}: it cannot be had here (${reason})`)
    return undefined
  }
}

const go = (name, module) => tool(name, join(tools, name), spawnSync('go', ['version']).status === 0 ? [['go', 'install', module]] : [['go', 'version']])

/** @returns whether it is there */
export async function hasValidator() {
  const file = join(python, 'bin/kubernetes-validate')
  const make = [
    ['python3', '-m', 'venv', python],
    [join(python, 'bin/pip'), 'install', '-q', 'kubernetes-validate==1.37.0'],
  ]
  return (await tool('kubernetes-validate', file, make)) !== undefined
}

/** Where its schemas stand. */
export function schemas() {
  const lib = join(python, 'lib')
  return resolve(lib, readdirSync(lib)[0], 'site-packages/kubernetes_validate/kubernetes-json-schema')
}

/** From 1.30 to the newest that it knows. */
export function versions() {
  return readdirSync(schemas())
    .map((name) => /^v(1\.(\d+)\.0)-local$/.exec(name))
    .filter((found) => found !== null && Number(found[2]) >= OLDEST)
    .map(([, version]) => version)
    .sort()
}

/** What it says of files that are wrong for a version of Kubernetes. @returns nothing where all are right */
export function faults(version, files) {
  return run(join(python, 'bin/kubernetes-validate'), ['--strict', '--quiet', '-k', version, ...files], { maxBuffer: MUCH }).then(
    () => '',
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  )
}

/** @returns the path of kube-score, or undefined where it cannot be had */
export const kubeScore = () => go('kube-score', 'github.com/zegl/kube-score/cmd/kube-score@v1.20.0')

/** What it says of files that belong together, a line each. */
export async function score(program, files) {
  const said = await run(program, ['score', '--output-format', 'ci', ...files], { maxBuffer: MUCH }).catch((error) => error)
  // It ends with 1 where something is critical.
  if (said.code > 1 || typeof said.stdout !== 'string') throw said
  const lines = said.stdout.split('\n')
  const of = (grade) => lines.filter((line) => line.startsWith(`[${grade}]`))
  return { critical: of('CRITICAL'), warnings: of('WARNING') }
}

/** @returns the path of kubeconform, or undefined where it cannot be had */
export const kubeconform = () => go('kubeconform', 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0')
