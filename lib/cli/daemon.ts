import { Command } from 'commander'
import { toStderr } from '../base/log-line.js'
import { textOfFile } from '../base/text-file.js'
import type { DaemonStatus } from '../daemon/daemon.js'
import type { DaemonOptions } from '../daemon/options.js'
import { tokenRule } from '../wire/tokens.js'
import { Stop } from './stop.js'
import { asUsage, integer, list, tokens, Usage } from './usage.js'

interface ServeOptions {
  port?: number
  host?: string
  tlsKey?: string
  tlsCert?: string
  tlsCa?: string
  tokenFile?: string
  allowedHosts?: string[]
  folder?: string
  maxExecutors?: number
  maxMemory?: string
  maxUploadBytes?: number
  maxUploadFiles?: number
  quiet?: true
}

interface StatusOptions {
  tokenFile?: string
  tlsCa?: string
  json?: true
}

/** `sluice daemon`: runs executors of Flows on other machines; `sluice daemon status` says which. */
export function daemonCommand(): Command {
  const command = new Command('daemon')
    .summary('run executors here for Flows elsewhere')
    .description(
      "Runs executors of Flows elsewhere (runtime: 'daemon'), each in a process or container of its own, with the files that its Flow sends. Who has the token runs code here, as the user that this is.",
    )
    .option('--port <n>', 'the port; 0 is one that is free (default: 8000)', integer)
    .option('--host <address>', 'the address to listen at; beyond this machine, TLS and a token must be given (default: 127.0.0.1)')
    .option('--tls-key <file>', 'a key, as PEM, to speak TLS (default: everything goes in the open)')
    .option('--tls-cert <file>', 'its certificate, as PEM')
    .option('--tls-ca <file>', 'whom to trust, as PEM: Flows then need a certificate')
    .option(
      '--allowed-hosts <list>',
      'hosts that requests may name, with commas, beside this machine’s (default: no others, where it listens for this machine only)',
      list,
    )
    .option('--folder <folder>', 'where executors have their files; packages are found from there upwards (default: .sluice/daemon)')
    .option('--max-executors <n>', 'the most processes and containers of executors at once (default: 16)', integer)
    .option('--max-memory <size>', 'the most memory for the heap of one, or for a container, such as 512m (default: what node, or the engine, gives it)')
    .option('--max-upload-bytes <n>', 'the most bytes of files that one executor may come with (default: 104857600)', integer)
    .option('--max-upload-files <n>', 'the most files (default: 1000)', integer)
    .option('--quiet', 'say nothing but what fails')
  return tokens(command, 'a file of tokens, one a line: who brings none is not let in (default: the tokens in SLUICE_TOKEN)')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice daemon --token-file token                             # for this machine only
  $ sluice daemon --host 0.0.0.0 --token-file token --tls-key key.pem --tls-cert cert.pem
  $ sluice daemon status https://gpu-box:8000 --token-file token
In a Flow elsewhere: add({ uses: './encoder.yml', runtime: 'daemon', host: 'https://gpu-box:8000', uploadFiles: ['./encoder.js'], token })

Exit codes:
  0  it was told to stop, and did     1  it could not start, or stop     2  the command line makes no sense`,
    )
    .addCommand(statusCommand())
    .action(serve)
}

function statusCommand(): Command {
  const command = new Command('status')
    .summary('say what a daemon runs')
    .description('Asks a daemon which executors it runs, and how they are.')
    .argument('[address]', 'where it is', 'http://127.0.0.1:8000')
    .option('--tls-ca <file>', "whom to trust, as PEM (default: the platform's authorities)")
    .option('--json', 'as JSON')
  return tokens(command, 'the file of the token to bring (default: the token in SLUICE_TOKEN, or none)').action(status)
}

async function serve({ tlsKey, tlsCert, tlsCa, quiet, ...options }: ServeOptions): Promise<void> {
  if ((tlsKey === undefined) !== (tlsCert === undefined)) throw new Usage('--tls-key and --tls-cert go together')
  if (tlsCa !== undefined && tlsKey === undefined) throw new Usage('--tls-ca goes with --tls-key and --tls-cert')
  const token = options.tokenFile === undefined ? process.env.SLUICE_TOKEN : undefined
  // Not for what runs here: what a process was begun with can be read, where its user is the same, all the same.
  delete process.env.SLUICE_TOKEN
  if (token !== undefined) asUsage(() => tokenRule('SLUICE_TOKEN', token))
  const all: DaemonOptions = {
    ...options,
    ...(token !== undefined && { token }),
    ...(tlsKey !== undefined && { tls: { keyFile: tlsKey, certFile: tlsCert!, ...(tlsCa !== undefined && { caFile: tlsCa }) } }),
    onError: () => {},
    logger: toStderr({ quiet }),
  }
  const [{ Daemon }, { checkDaemonOptions }] = await Promise.all([import('../daemon/daemon.js'), import('../daemon/options.js')])
  asUsage(() => checkDaemonOptions(all))
  using stop = new Stop(quiet)
  const daemon = await Daemon.serve(all)
  try {
    if (!quiet) {
      process.stderr.write(`sluice daemon at ${daemon.address}\n`)
      if (daemon.isOpen) process.stderr.write('  without a token: whoever is on this machine runs code here. Give --token-file\n')
    }
    await stop.asked
  } finally {
    await daemon.close()
  }
}

async function status(address: string, { tokenFile, tlsCa, json }: StatusOptions): Promise<void> {
  const { askStatus } = await import('../place/daemon-client.js')
  const [ca, { tokenFrom }] = await Promise.all([tlsCa === undefined ? undefined : textOfFile(tlsCa), import('../wire/tokens.js')])
  const token =
    tokenFile === undefined
      ? process.env.SLUICE_TOKEN?.split(/[\s,]+/)
          .find((text) => text !== '')
          ?.replace(/^[^:]*:/, '')
      : await tokenFrom(tokenFile)()
  const found = (await askStatus(address, token, ca)) as DaemonStatus
  process.stdout.write(json ? `${JSON.stringify(found, undefined, 2)}\n` : tableOf(found))
}

function tableOf({ version, executors, limits }: DaemonStatus): string {
  const taken = executors.reduce((sum, { replicas }) => sum + replicas.length, 0)
  const head = `sluice ${version}, ${taken} of ${limits.maxExecutors} executors${limits.maxMemory === undefined ? '' : `, ${size(limits.maxMemory)} of memory each`}\n`
  if (executors.length === 0) return head
  const isContained = executors.some(({ image }) => image !== undefined)
  const rows = executors.map(({ id, name, replicas, memory, image, files, bytes, left }) => [
    name,
    id,
    ...(isContained ? [image ?? ''] : []),
    replicas.map(({ state, pid }) => (pid === undefined ? state : `${state} (${pid})`)).join(', '),
    memory === undefined ? '' : size(memory),
    `${files} ${files === 1 ? 'file' : 'files'}, ${size(bytes)}`,
    left === undefined ? '' : `ends in ${(left / 1000).toFixed(1)} s`,
  ])
  const all = [['EXECUTOR', 'ID', ...(isContained ? ['IMAGE'] : []), 'REPLICAS', 'MEMORY', 'UPLOADS', 'LEASE'], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return (
    head +
    all
      .map(
        (row) =>
          `${row
            .map((cell, column) => cell.padEnd(widths[column]!))
            .join('  ')
            .trimEnd()}\n`,
      )
      .join('')
  )
}

function size(bytes: number): string {
  const unit = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return `${Number((bytes / 1024 ** unit).toPrecision(3))} ${['B', 'KiB', 'MiB', 'GiB'][unit]}`
}
