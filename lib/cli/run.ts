import { fstatSync, type Stats, statSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type Coded, DocumentError, ExecutorError } from '../base/errors.js'
import type { ClientOptions } from '../client/client.js'
import { REMOTE_KEYS } from '../config/remote-keys.js'
import type { Document } from '../doc/document.js'
import { documentJson, jsonOf, unwritable } from '../doc/json-value.js'
import { DEFAULT_ENDPOINT } from '../executor/bindings.js'
import { checkEndpoints } from '../flow/endpoint-keys.js'
import { Flow } from '../flow/flow.js'
import type { Runtime } from '../flow/options.js'
import { DEFAULT_PREFETCH, DEFAULT_REQUEST_SIZE, type PostOptions } from '../post/options.js'
import { Failure } from '../request/failure.js'
import type { Response } from '../request/response.js'
import { type Flags, withFlags } from './flags.js'
import { cacheOption, FLOW_FILE, flowOf, runtimeOption } from './flow-file.js'
import { FORMATS, type Format, formatByName, Input } from './input.js'
import { Output } from './output.js'
import { clientOf, type Reach, reaching } from './reach.js'
import { Stop } from './stop.js'
import { asUsage, explain, Failed, integer, jsonObject, Usage } from './usage.js'

/** Where documents go that nobody sends elsewhere. */
const ROOT = '/'

interface StreamOptions {
  on: string
  input: string
  inputFormat?: Format
  output: string
  responses?: true
  parameters?: Record<string, unknown>
  targetExecutor?: string
  requestSize?: number
  prefetch?: number
  prefetchDocuments?: number
  inOrder?: true
  continueOnError?: true
  failures?: string
  retryFailures?: string
  checkpoint?: string
  append?: true
  progress: boolean
  totalDocs?: number
}

/** How long a request may take, and how often it is sent. */
type Tries = Pick<ClientOptions, 'timeout' | 'attemptTimeout' | 'maxAttempts' | 'retryBudget'> & { retries?: number }

/** Of what is sent again. `sluice ping` sends nothing again. */
const TRIES = { retryBudget: 'share' } as const satisfies Flags

/** What posts documents: a Flow, or a Client. */
interface Poster extends AsyncDisposable {
  post(on: string, inputs: Input, options: PostOptions): AsyncIterable<Response>
}

/** `sluice run`: documents from a file or stdin through a Flow to a file or stdout. */
export function runCommand(): Command {
  return streaming(
    new Command('run')
      .summary('stream a file of documents through a Flow')
      .description('Streams documents from a file, or stdin, through a Flow, and writes those that come out as NDJSON: one JSON document a line.')
      .argument('<flow>', FLOW_FILE),
    ", or the Flow's",
    `
Examples:
  $ sluice run flow.yml --runtime thread --on /parse --input docs.ndjson    # executors in threads
  $ sluice run flow.yml --on /index --input docs.ndjson --output results.ndjson
  $ cat lines.txt | sluice run flow.js --input-format lines | head -1
  $ NODE_OPTIONS='--import tsx' sluice run flow.ts -i docs.csv    # TypeScript, where Node itself does not read it (before 22.18)
`,
  )
    .addOption(runtimeOption())
    .addOption(cacheOption())
    .action((file: string, { runtime, cache, ...options }: StreamOptions & { runtime?: Runtime; cache?: string }, command: Command) => {
      if (same(file, options.output)) throw new Usage(`${options.output} is the Flow, and cannot be the output`)
      return stream((stop) => opened(stop, file, command.getOptionValueSource('on') === 'default' ? undefined : options.on, runtime, cache), options)
    })
}

/** `sluice client`: the same, through a server. */
export function clientCommand(): Command {
  return streaming(
    withFlags(
      reaching(
        new Command('client')
          .summary('stream a file of documents through a Flow that is served elsewhere')
          .description('Streams documents from a file, or stdin, to a server and back, and writes those that come out as NDJSON: one JSON document a line.'),
      ),
      TRIES,
      REMOTE_KEYS,
    )
      .option('--timeout <ms>', 'milliseconds in which each request must be answered (default: no end)', integer)
      .option('--attempt-timeout <ms>', 'milliseconds that one try may take (default: what --timeout leaves)', integer)
      .option('--retries <n>', 'how often a request is sent again when the server is not there, or goes away (default: 0)', integer)
      .addOption(new Option('--max-attempts <n>', 'the old name: one more than --retries').argParser(integer).hideHelp()),
    '',
    `
Examples:
  $ sluice client grpc://127.0.0.1:51000 --on /index --input docs.ndjson --output results.ndjson
  $ echo '{"text": "hello"}' | sluice client https://flow.example --on /search --header "authorization=Bearer $TOKEN"
`,
  ).action((address: string, { timeout, attemptTimeout, retries, maxAttempts, retryBudget, ...options }: StreamOptions & Reach & Tries) =>
    stream(async () => clientOf(address, options, { timeout, attemptTimeout, retries, maxAttempts, retryBudget }), options),
  )
}

/**
 * The Flow of a file, open; or closed, where a signal came before it was open.
 * @param on the endpoint, where one was said
 * @throws Usage for an endpoint that none of its executors has: its documents would come out as they went in
 */
async function opened(stop: Stop, file: string, on: string | undefined, runtime?: Runtime, cache?: string): Promise<Flow<string>> {
  const flow = await flowOf(file, { runtime, cache })
  try {
    await stop.open(flow, { serve: false })
  } catch (error) {
    if (stop.by === undefined) throw error
    process.stderr.write(`sluice: ${explain(error)}\n`)
  }
  if (!flow.isOpen) return flow
  const { steps } = flow.plan
  // What executors elsewhere answer is theirs to say; where there are none, or none answers anything, nothing was misspelled.
  if (flow.endpoints.length === 0 || steps.some(({ options }) => options.external)) return flow
  try {
    // Who named none has misspelled nothing, and may not know that there is something to name.
    if (on === undefined && !flow.endpoints.some((endpoint) => endpoint === ROOT || endpoint === DEFAULT_ENDPOINT))
      throw new Usage(`no --on was given, so it is ${ROOT}, which is no endpoint there. Say --on ${flow.endpoints.join(' or --on ')}`)
    asUsage(() => checkEndpoints('--on', [on ?? ROOT], flow.endpoints, (message) => process.stderr.write(`sluice: ${message}\n`)))
    return flow
  } catch (error) {
    await flow.close()
    throw error
  }
}

function streaming(command: Command, flows: string, examples: string): Command {
  return command
    .option('--on <endpoint>', 'the endpoint to send them to', ROOT)
    .option('-i, --input <file>', 'where documents come from; - is stdin', '-')
    .addOption(new Option('--input-format <format>', 'how they are written (default: by .txt, .ndjson, .jsonl, .csv; ndjson for stdin)').choices(FORMATS))
    .option('-o, --output <file>', 'where results go; - is stdout', '-')
    .option('--responses', 'write whole responses, with parameters, routes and status, instead of their documents')
    .option('--parameters <json>', 'parameters for the executors, such as \'{"top": 5}\'', jsonObject)
    .option('--target-executor <pattern>', 'only executors whose name starts with a match handle the documents')
    .option('--request-size <n>', `documents in a request; 0 puts all in one (default: ${DEFAULT_REQUEST_SIZE})`, integer)
    .option('--prefetch <n>', `the most requests under way at a time; 0 for no bound (default: ${DEFAULT_PREFETCH}${flows})`, integer)
    .option('--prefetch-documents <n>', `the most documents under way at a time (default: --prefetch times --request-size${flows})`, integer)
    .option('--in-order', 'write results in the order of the input, not as they complete')
    .option('--continue-on-error', 'go on when a request fails: say so, write the others, and end with exit code 1')
    .option('--failures <file>', 'write documents that failed there, as NDJSON with what they failed at, and go on; ends with exit code 1 if there were any')
    .option('--retry-failures <file>', 'read the documents of a file that --failures wrote, in place of --input')
    .option(
      '--checkpoint <file>',
      'keep there which documents are done, and go on behind them when the job was begun before; a file as --output needs --append',
    )
    .option('--append', 'write behind what --output and --failures have, as it comes, instead of anew when all is there')
    .option('--total-docs <n>', 'how many documents will come, so that the progress bar tells how much is left', integer)
    .option('--no-progress', 'no progress on stderr')
    .addHelpText(
      'after',
      `${examples}
Ctrl-C (SIGINT), SIGTERM and SIGHUP stop the reading; what was read is answered and written, and it is said how to go on. Once more ends at once.

Exit codes:
  0  the input was read to its end, and all is written      1  something failed
  129, 130, 143  stopped by a signal before the end         2  the command line makes no sense`,
    )
}

async function stream(through: (stop: Stop) => Promise<Poster>, options: StreamOptions): Promise<void> {
  const { retryFailures, failures } = options
  if (retryFailures !== undefined && (options.input !== '-' || options.inputFormat !== undefined))
    throw new Usage('--retry-failures stands in place of --input and --input-format')
  const from = retryFailures ?? options.input
  const files = [options.output, ...(failures === undefined ? [] : [failures])]
  for (const file of files) {
    const format = formatByName(file)
    if (format !== undefined && format !== 'ndjson')
      throw new Usage(`${file} would be taken for ${format}: results are NDJSON, a JSON document a line. Name it .ndjson`)
  }
  const { checkpoint } = options
  if (checkpoint !== undefined && options.output !== '-' && !options.append)
    throw new Usage('--checkpoint needs --append with --output: results of a job that goes on stand behind those that are there')
  if (checkpoint !== undefined && [from, ...files].includes(checkpoint)) throw new Usage(`${checkpoint} cannot be the checkpoint and another file at once`)
  for (const file of files) if (same(from, file)) throw new Usage(`${file === '-' ? from : file} cannot be input and output at once`)
  if (failures !== undefined && (failures === options.output || same(failures, options.output)))
    throw new Usage(`--failures and --output cannot both be ${failures}`)
  using stop = new Stop()
  const input = await (retryFailures === undefined ? Input.open(from, options.inputFormat, stop.signal) : Input.ofFailures(from, stop.signal))
  const outputs: Output[] = []
  for (const file of files) {
    try {
      outputs.push(await Output.open(file, options.append))
    } catch (error) {
      for (const output of outputs) output.forsake()
      throw error
    }
  }
  const last = (): void => {
    for (const output of outputs) output.forsake()
  }
  stop.last = last
  process.once('exit', last)
  try {
    await pass(through, input, stop, outputs[0]!, outputs[1], options)
  } catch (error) {
    for (const [at, output] of outputs.entries()) {
      const left = await output.abandon()
      if (left !== undefined) process.stderr.write(`sluice: ${files[at]} is as it was; what came before the failure is in ${left}\n`)
    }
    throw error
  }
}

/** @throws Failed when single requests failed, and that was said */
async function pass(
  through: (stop: Stop) => Promise<Poster>,
  input: Input,
  stop: Stop,
  output: Output,
  failures: Output | undefined,
  options: StreamOptions,
): Promise<void> {
  await using poster = await through(stop)
  if (poster instanceof Flow && !poster.isOpen) throw stopped(stop, input, options)
  const responses = asUsage(() => poster.post(options.on, input, postOptions(options)))
  let failed = 0
  for await (const response of responses) {
    if (response.partial && !options.responses) continue
    if (response.error !== undefined) {
      failed++
      process.stderr.write(`sluice: request ${response.requestId} failed: ${explain(response.error)}\n`)
    }
    failed += response.failures.length
    if (failures === undefined) for (const { error } of response.failures) process.stderr.write(`sluice: ${explain(error)}\n`)
    else await failures.write(failuresOf(response))
    try {
      await output.write(options.responses ? whole(response) : documents(response))
    } catch (error) {
      // What cannot be written is a failure of its request, as over a wire; the others go on where those of executors do.
      if (!(error instanceof DocumentError) || !options.continueOnError) throw error
      failed++
      process.stderr.write(`sluice: request ${response.requestId} failed: ${explain(error)}\n`)
      await failures?.write(lines(response.docs.map((doc) => new Failure(doc, response.routes.at(-1)?.executor ?? '', error, 1))))
    }
    if (output.isClosed) break
  }
  await failures?.commit()
  await output.commit()
  if (failures !== undefined && failed > 0) process.stderr.write(`sluice: what failed is in ${options.failures}; --retry-failures reads it\n`)
  if (stop.by !== undefined && !input.ended) throw stopped(stop, input, options)
  if (failed > 0) throw new Failed()
}

/** Says what a run did that a signal stopped. @returns how it ends */
function stopped({ by, exitCode }: Stop, { count }: Input, options: StreamOptions): Failed {
  process.stderr.write(`sluice: ${left(by!, count, options)}\n`)
  return new Failed(exitCode)
}

/** What a run did that a signal stopped, and how to go on behind it. */
function left(by: string, count: number, { output, checkpoint }: StreamOptions): string {
  const done = `stopped by ${by}: ${count} documents were read and answered, the rest was not read`
  if (count === 0) return done
  if (checkpoint !== undefined) return `${done}. To go on, run it once more`
  const elsewhere = output === '-' ? '' : `, and another --output: ${output} would be written anew`
  return `${done}. To go on, run it with the input behind its first ${count} documents${elsewhere}`
}

function postOptions(options: StreamOptions): PostOptions {
  const { parameters, targetExecutor, requestSize, prefetch, prefetchDocuments, inOrder, continueOnError, failures, progress, totalDocs, output, checkpoint } =
    options
  return {
    parameters,
    targetExecutor,
    requestSize,
    prefetch,
    prefetchDocuments,
    resultsInOrder: inOrder,
    checkpoint,
    continueOnError: continueOnError ?? (failures === undefined ? undefined : true),
    // Results that scroll through the same terminal say enough.
    showProgress: progress && !(output === '-' && process.stdout.isTTY),
    totalDocs,
  }
}

function documents({ docs, error }: Response): string {
  if (error !== undefined) return ''
  let lines = ''
  for (const document of docs) lines += `${JSON.stringify(written(document))}\n`
  return lines
}

/** The documents of a response that failed, a line each: those that failed by themselves, and those of a request that failed as a whole. */
function failuresOf({ docs, error, failures }: Response): string {
  const whole = error === undefined ? [] : docs.map((doc) => new Failure(doc, error instanceof ExecutorError ? error.executor : '', error as Coded, 1))
  return lines([...failures, ...whole])
}

function lines(failures: readonly Failure[]): string {
  let text = ''
  for (const failure of failures) {
    try {
      text += `${JSON.stringify({ ...failure.toJSON(), doc: written(failure.doc) })}\n`
    } catch (error) {
      process.stderr.write(`sluice: not among the failures that were written: ${explain(error)}\n`)
    }
  }
  return text
}

function whole(response: Response): string {
  const parameters = jsonOf(response.parameters, 'parameters')
  const failures = response.failures.map((failure) => ({ ...failure.toJSON(), doc: written(failure.doc) }))
  return `${JSON.stringify({ ...response.toJSON(), parameters, data: Array.from(response.docs, written), ...(failures.length > 0 && { failures }) })}\n`
}

/** @throws DocumentError (`ERR_DOCUMENT`) that names the document, and the place in it that JSON cannot say */
function written(document: Document): object {
  try {
    return documentJson(document)
  } catch (error) {
    throw unwritable(document, error)
  }
}

/** Whether both are one file, also by a link, or by what the shell opened as stdin or stdout. */
function same(input: string, output: string): boolean {
  const [from, to] = [fileOf(input, 0), fileOf(output, 1)]
  return from !== undefined && to !== undefined && from.ino === to.ino && from.dev === to.dev
}

function fileOf(path: string, descriptor: number): Stats | undefined {
  try {
    const found = path === '-' ? fstatSync(descriptor) : statSync(path)
    return found.isFile() ? found : undefined
  } catch {
    return undefined
  } finally {
    // While what was looked at last is a pipe, Node 20 leaves links unfollowed where it finds modules: a linked sluice would be loaded a second time.
    statSync(process.execPath)
  }
}
