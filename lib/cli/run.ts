import { realpath } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { DEFAULT_PREFETCH, DEFAULT_REQUEST_SIZE, type PostOptions } from '../options.js'
import type { Response } from '../request/response.js'
import { flowOf } from './flow-file.js'
import { FORMATS, type Format, Input } from './input.js'
import { Output } from './output.js'
import { Stop } from './stop.js'
import { asUsage, explain, integer, jsonObject, Usage } from './usage.js'

interface RunOptions {
  on: string
  input: string
  inputFormat?: Format
  output: string
  responses?: true
  parameters?: Record<string, unknown>
  targetExecutor?: string
  requestSize?: number
  prefetch?: number
  inOrder?: true
  continueOnError?: true
  progress: boolean
}

/** `sluice run`: documents from a file or stdin through a Flow to a file or stdout. */
export function runCommand(): Command {
  return new Command('run')
    .summary('stream a file of documents through a Flow')
    .description('Streams documents from a file, or stdin, through a Flow, and writes those that come out as NDJSON: one JSON document a line.')
    .argument('<flow>', 'a YAML file, or a module (.ts, .js) that exports a Flow, or a function returning one, as default or by the name flow')
    .option('--on <endpoint>', 'the endpoint to send them to', '/')
    .option('-i, --input <file>', 'where documents come from; - is stdin', '-')
    .addOption(new Option('--input-format <format>', 'how they are written (default: by .txt, .ndjson, .jsonl, .csv; ndjson for stdin)').choices(FORMATS))
    .option('-o, --output <file>', 'where results go; - is stdout', '-')
    .option('--responses', 'write whole responses, with parameters, routes and status, instead of their documents')
    .option('--parameters <json>', 'parameters for the executors, such as \'{"top": 5}\'', jsonObject)
    .option('--target-executor <pattern>', 'only executors whose name starts with a match handle the documents')
    .option('--request-size <n>', `documents in a request; 0 puts all in one (default: ${DEFAULT_REQUEST_SIZE})`, integer)
    .option('--prefetch <n>', `the most requests under way at a time; 0 for no bound (default: ${DEFAULT_PREFETCH}, or the Flow's)`, integer)
    .option('--in-order', 'write results in the order of the input, not as they complete')
    .option('--continue-on-error', 'go on when a request fails: say so, write the others, and end with exit code 1')
    .option('--no-progress', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice run flow.yml --on /index --input docs.ndjson --output results.ndjson
  $ cat lines.txt | sluice run flow.js --input-format lines | head -1
  $ NODE_OPTIONS='--import tsx' sluice run flow.ts -i docs.csv    # TypeScript, where Node itself does not read it (before 22.18)

Ctrl-C (SIGINT), SIGTERM and SIGHUP stop the reading; what was read is answered and written. Once more ends at once.

Exit codes:
  0  all that was read is written, also after a signal     1  something failed
  130, 143  ended at once by a second signal               2  the command line makes no sense`,
    )
    .action(run)
}

async function run(file: string, options: RunOptions): Promise<void> {
  if (options.output !== '-' && (await same(options.input, options.output))) throw new Usage(`${options.output} cannot be input and output at once`)
  using stop = new Stop()
  const input = await Input.open(options.input, options.inputFormat, stop.signal)
  await using flow = await (await flowOf(file)).open()
  const responses = asUsage(() => flow.post(options.on, input, postOptions(options)))
  // Opened last: a Flow that cannot start leaves earlier results alone.
  const output = new Output(options.output)
  let failed = 0
  for await (const response of responses) {
    if (response.partial && !options.responses) continue
    if (response.error !== undefined) {
      failed++
      process.stderr.write(`sluice: request ${response.requestId} failed: ${explain(response.error)}\n`)
    }
    await output.write(options.responses ? `${JSON.stringify(response)}\n` : documents(response))
    if (output.isClosed) break
  }
  await output.close()
  if (stop.by !== undefined) process.stderr.write(`sluice: stopped by ${stop.by}: ${input.count} documents were read and answered, the rest was not read\n`)
  if (failed > 0) process.exitCode = 1
}

function postOptions(options: RunOptions): PostOptions {
  const { parameters, targetExecutor, requestSize, prefetch, inOrder, continueOnError, progress, output } = options
  return {
    parameters,
    targetExecutor,
    requestSize,
    prefetch,
    resultsInOrder: inOrder,
    continueOnError,
    // Results that scroll through the same terminal say enough.
    showProgress: progress && !(output === '-' && process.stdout.isTTY),
  }
}

function documents({ docs, error }: Response): string {
  if (error !== undefined) return ''
  let lines = ''
  for (const document of docs) lines += `${JSON.stringify(document)}\n`
  return lines
}

async function same(input: string, output: string): Promise<boolean> {
  const [from, to] = await Promise.all([input, output].map((path) => realpath(path).catch(() => undefined)))
  return from !== undefined && from === to
}
