import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { flags, published } from '../support/code.js'
import { Command } from '../support/command.js'
import { within } from '../support/within.js'

const TIME = 20_000
const folder = mkdtempSync(join(tmpdir(), 'sluice-run-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const sluice = JSON.stringify(pathToFileURL(published('index')).href)
/** The command, for a shell. */
const command = [process.execPath, ...flags, published('cli/main')].map((word) => `"${word}"`).join(' ')
write('package.json', '{ "type": "module" }')
const three = write('three.ndjson', '{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n')
write(
  'executors.mjs',
  `import { readFile } from 'node:fs/promises'
  import { delta, each, Executor } from ${sluice}
  const say = (text) => process.stderr.write(text + '\\n')
  const signalled = () => new Promise((go) => ['SIGINT', 'SIGTERM'].map((name) => process.once(name, go)))
  export default ({ docs, parameters }) => { for (const doc of docs) doc.text = doc.text.toUpperCase() + (parameters.end ?? '') }
  export const picky = ({ docs }) => { for (const doc of docs) if (doc.text === 'bad') throw new Error('will not') }
  export const single = each((doc) => { if (doc.text.startsWith('bad')) throw new Error('will not'); doc.text += '!' })
  export const patient = async ({ docs }) => { say('handling ' + docs.texts); await signalled() }
  export const busy = async ({ docs }) => { const alive = setInterval(() => {}, 1e6); for (let i = 0; i < 20; i++) await readFile(${JSON.stringify(three)}); say('handling ' + docs.texts); await signalled(); clearInterval(alive) }
  export const stuck = () => { say('handling'); return new Promise(() => {}) }
  export const hangs = () => { setInterval(() => {}, 1e6); say('handling'); return new Promise(() => {}) }
  export const noisy = () => { console.log('printed'); process.stdout.write('written\\n') }
  if (process.argv.some((argument) => argument.includes('noisy'))) console.log('loaded')
  export const bigint = ({ docs }) => { for (const doc of docs) if (doc.text === 'bigint') doc.tags.n = 5n }
  export async function* growing({ docs: [doc] }) { for (const text of ['!', '?']) yield delta(doc, { text, tags: { text } }) }
  export const resulting = () => ({ n: 5n })
  export const says5 = () => { process.exitCode = 5 }
  export const says0 = ({ docs }) => { process.exitCode = 0; picky({ docs }) }
  export const never = () => new Promise(() => {})
  export const exits = () => process.exit(0)
  let handled = 0
  export const large = ({ docs }) => { for (const doc of docs) { doc.text = 'x'.repeat(100_000); say('handled ' + ++handled) } }
  // Says so when nothing more came for many turns of the event loop.
  let turns = Infinity
  const turn = () => { if (turns++ < 2000) setImmediate(turn); else { turns = Infinity; say('still') } }
  export const watched = (call) => { large(call); if (turns === Infinity) setImmediate(turn); turns = 0 }
  export class Slow extends Executor {
    async open() { say('opening'); const busy = setInterval(() => {}, 1e6); await signalled(); clearInterval(busy) }
    close() { say('closed') }
  }
  export class Search extends Executor {
    static requests = { '/search': 'search' }
    search({ docs }) { for (const doc of docs) doc.text += '!' }
  }`,
)
const flow = (uses: string, name = 'flow'): string => write(`${name}.yml`, `jtype: Flow\nexecutors:\n  - { name: step, uses: ./executors.mjs${uses} }\n`)
const upper = flow('', 'upper')

function json(lines: string): any[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

async function run(args: string[], input = '', typescript = false): Promise<Command & { code: number | null }> {
  const run = new Command(['run', ...args], { typescript })
  run.child.stdin.end(input)
  const { code, signal } = await within(TIME, run.end)
  assert.is(signal, null, run.stderr)
  return Object.assign(run, { code })
}

test('T1 from a file to a file, with a last line of progress', async () => {
  const output = join(folder, 'out.ndjson')
  const { code, stdout, stderr } = await run([upper, '--on', '/index', '--input', three, '--output', output])
  assert.is(code, 0, stderr)
  assert.is(stdout, '')
  assert.equal(
    json(readFileSync(output, 'utf8')).map(({ text }) => text),
    ['A', 'B', 'C'],
  )
  assert.match(stderr, /^done: 1 request, 3 documents in \d+\.\d s \([\d,]+ docs\/s\)\n$/)
})

test('T1 from stdin to stdout, silent when asked', async () => {
  const { code, texts, stderr } = await run([upper, '--no-progress'], '{"text":"a","lang":"en"}\n{"text":"b"}\n')
  assert.is(code, 0, stderr)
  assert.is(texts, 'A B')
  assert.is(stderr, '')
})

test('T1 lines and CSV, by extension and when told', async () => {
  const [lines, told, csv] = await Promise.all([
    run([upper, '-i', write('in.txt', 'one\ntwo\n')]),
    run([upper, '--input-format', 'lines'], 'one\ntwo\n'),
    run([upper, '-i', write('in.csv', 'id,text,lang\n1,"uno, due",it\n')]),
  ])
  assert.is(lines.texts, 'ONE TWO')
  assert.is(told.texts, 'ONE TWO')
  assert.equal(json(csv.stdout), [{ id: '1', text: 'UNO, DUE', tags: { lang: 'it' } }])
})

test('T1 whole responses, request size, parameters, order, target', async () => {
  const [whole, other, few] = await Promise.all([
    run([upper, '-i', three, '--responses', '--in-order', '--request-size', '2', '--prefetch', '1', '--parameters', '{"end":"!"}']),
    run([upper, '-i', three, '--target-executor', 'other']),
    run([upper, '-i', three, '--responses', '--prefetch-documents', '1']),
  ])
  const responses = json(whole.stdout)
  assert.equal(
    responses.map(({ data }) => data.map(({ text }: { text: string }) => text)),
    [['A!', 'B!'], ['C!']],
  )
  assert.is(responses[0].parameters.end, '!')
  assert.is(responses[0].header.status.code, 'SUCCESS')
  assert.is(other.texts, 'a b c')
  assert.equal(
    json(few.stdout).map(({ data }) => data.length),
    [1, 1, 1],
  )
})

test('T1 a module that exports a Flow, or a function that returns one', async () => {
  const make = `new Flow().add({ uses: ({ docs }) => { for (const doc of docs) doc.text += '.' } })`
  const runs = await Promise.all([
    run([write('a.ts', `import { Flow } from ${sluice}\nconst made: Flow<any> = ${make}\nexport default made`), '-i', three], '', true),
    run([write('b.mjs', `import { Flow } from ${sluice}\nexport const flow = async () => ${make}`), '-i', three]),
  ])
  for (const { code, texts, stderr } of runs) {
    assert.is(code, 0, stderr)
    assert.is(texts, 'a. b. c.')
  }
})

mkdirSync(join(folder, 'commonjs'))
write('commonjs/package.json', '{ "type": "commonjs" }')

const wrong: [string, string[], number, RegExp][] = [
  ['an unknown command', ['rum'], 2, /unknown command 'rum'[\s\S]*run/],
  ['no flow', ['run'], 2, /missing required argument 'flow'/],
  ['an unknown option', ['run', upper, '--inptu', three], 2, /unknown option '--inptu'[\s\S]*--input/],
  ['R86 a size that is no number', ['run', upper, '--request-size', 'x'], 2, /--request-size.*whole number/],
  ['R86 a fractional size', ['run', upper, '--request-size', '1.5'], 2, /--request-size.*whole number/],
  ['R86 a negative prefetch', ['run', upper, '--prefetch', '-1', '-i', three], 2, /prefetch must be an integer ≥ 0, or Infinity, not -1/],
  ['parameters that are no JSON', ['run', upper, '--parameters', '{a:1}'], 2, /--parameters.*not JSON/],
  ['parameters that are no object', ['run', upper, '--parameters', '[]'], 2, /--parameters.*JSON object/],
  ['R81 __proto__ among parameters', ['run', upper, '--parameters', '{"__proto__":{}}', '-i', three], 2, /__proto__/],
  ['a format that does not exist', ['run', upper, '--input-format', 'xml'], 2, /Allowed choices are lines, ndjson, csv/],
  ['a format that cannot be told', ['run', upper, '-i', write('in.dat', '')], 2, /--input-format/],
  ['one file for input and output', ['run', upper, '-i', three, '-o', three], 2, /input and output at once/],
  ['an input that is not there', ['run', upper, '-i', join(folder, 'no.txt')], 1, /no\.txt cannot be read/],
  ['an output that cannot be written', ['run', upper, '-i', three, '-o', join(folder, 'no/out')], 1, /out cannot be written/],
  ['a flow that is not there', ['run', join(folder, 'no.yml')], 1, /no\.yml: cannot be opened/],
  ['a flow of another kind', ['run', three], 1, /a Flow is read from \.yml/],
  ['a bad flow', ['run', write('bad.yml', 'jtype: Flow\nexecutor: []\n')], 1, /bad\.yml:2:1: executor: .*Did you mean executors\?/],
  ['a module without a Flow', ['run', write('none.mjs', 'export const x = 1')], 1, /export the Flow as default/],
  ['a module with something else', ['run', write('five.mjs', 'export default 5')], 1, /it exports 5/],
  ['a module that throws', ['run', write('throws.mjs', 'throw new Error("on import")')], 1, /throws\.mjs: cannot be imported: on import/],
  [
    'a module with decorators',
    ['run', write('decorated.mjs', 'const of = () => () => {}\nclass A { @of() run() {} }\nexport default A\n')],
    1,
    /decorated\.mjs: cannot be imported: .*\. It has decorators, which Node does not read: write static requests = .*NODE_OPTIONS="--import tsx"/,
  ],
  // Modern words in files that Node takes for CommonJS.
  ...[
    ['import', "import { Flow } from 'sluice'\n"],
    ['export', 'export const x = 1\n'],
    ['await', 'await null\n'],
  ].map(([word, text]): (typeof wrong)[number] => [
    `a module of CommonJS with ${word}`,
    ['run', write(`commonjs/${word}.js`, text!)],
    1,
    /commonjs.\w+\.js: cannot be imported: .*\. Set "type": "module" in its package\.json \(npm pkg set type=module\), or call the file \.mjs$/m,
  ]),
  // Where Node reads it, what is wrong is that it exports no Flow.
  [
    'a module with await using',
    ['run', write('using.mjs', '{\n  await using x = undefined\n}\n')],
    1,
    /It has await using, which Node reads from 24 on: call close\(\)|export the Flow as default/,
  ],
  ['a broken line', ['run', upper, '-i', write('broken.ndjson', '{"text":"a"}\n{"text":\n')], 1, /broken\.ndjson:2/],
]

test('R72 a wrong command line ends with 2, a failure with 1; both say why', async () => {
  const queue = [...wrong]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [what, args, expected, message] = next
      const run = new Command(args)
      run.child.stdin.end()
      const { code } = await within(TIME, run.end)
      assert.match(run.stderr, message, what)
      assert.is(code, expected, `${what}: ${run.stderr}`)
      assert.not.match(run.stderr, /\n\s+at .*node_modules/, what)
    }
  }
  await Promise.all([worker(), worker()])
  assert.is(readFileSync(three, 'utf8').length, 39, 'the input is untouched')
})

test('R72 --help and --version end with 0', async () => {
  const [help, version] = [new Command(['run', '--help']), new Command(['--version'])]
  assert.is((await within(TIME, help.end)).code, 0)
  assert.match(help.stdout, /--continue-on-error[\s\S]*Exit codes:/)
  assert.is((await within(TIME, version.end)).code, 0)
  assert.is(version.stdout.trim(), JSON.parse(readFileSync('package.json', 'utf8')).version)
})

test('R72 a request that fails ends the run with 1, and what was finished is written', async () => {
  const picky = flow('#picky', 'picky')
  const input = write('picky.txt', 'a\nbad\nc\n')
  const [strict, lenient] = await Promise.all([
    run([picky, '-i', input, '--request-size', '1', '--prefetch', '1']),
    run([picky, '-i', input, '--request-size', '1', '--continue-on-error']),
  ])
  assert.is(strict.code, 1)
  assert.is(strict.texts, 'a')
  assert.match(strict.stderr, /step failed.*will not[\s\S]*executors\.mjs/)
  assert.match(strict.stderr, /failed: 1 request, /)
  assert.is(lenient.code, 1)
  assert.is(lenient.texts, 'a c')
  assert.match(lenient.stderr, /request \w{32} failed: .*will not/)
})

test('a Flow that cannot start leaves an earlier output alone', async () => {
  const output = write('earlier.ndjson', 'earlier')
  const { code } = await run([write('nothing.yml', 'jtype: Flow\nexecutors: [{ uses: ./nothing.mjs }]\n'), '-i', three, '-o', output])
  assert.is(code, 1)
  assert.is(readFileSync(output, 'utf8'), 'earlier')
})

test('P4 an output that nobody reads holds up the reading', async () => {
  const count = 400
  const child = new Command(['run', flow('#watched', 'watched'), '--input-format', 'lines', '--request-size', '1', '--prefetch', '2', '--no-progress'], {
    paused: true,
  })
  child.child.stdin.end('line\n'.repeat(count))
  const handled = (): number => child.stderr.match(/^handled /gm)!.length
  await child.has('stderr', 'still\n')
  assert.ok(handled() < 20, `${handled()} of ${count} were handled while nobody read`)
  child.child.stdout.resume()
  assert.is((await within(TIME, child.end)).code, 0)
  assert.is(handled(), count)
})

test('an output that is closed early ends the run quietly', async () => {
  const child = new Command(['run', flow('#large', 'closed'), '--input-format', 'lines', '--request-size', '1', '--no-progress'])
  child.child.stdin.write('line\n'.repeat(1000))
  await child.has('stdout', '\n')
  child.child.stdout.destroy()
  assert.equal(await within(TIME, child.end), { code: 0, signal: null })
  assert.match(child.stderr, /^(handled \d+\n)*$/)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  const stopped = signal === 'SIGINT' ? 130 : 143
  test(`R133, R172 ${signal} stops the reading; what was read is answered and written`, async () => {
    const child = new Command(['run', flow('#patient', 'patient'), '--input-format', 'lines', '--request-size', '2', '--total-docs', '9'])
    child.child.stdin.write('a\nb\n')
    await child.has('stderr', 'handling a,b')
    child.child.kill(signal)
    assert.equal(await within(TIME, child.end), { code: stopped, signal: null })
    assert.is(child.texts, 'a b')
    assert.match(child.stderr, '\nstopped: 1 request, 2 documents', 'P9: not done')
    assert.match(
      child.stderr,
      new RegExp(`${signal}: finishing.*\n(.*\n)*.*stopped by ${signal}: 2 documents were read and answered.*behind its first 2 documents\n$`),
    )
  })

  test(`R172 ${signal} after the end of the input: all is written, and the exit code is 0`, async () => {
    const output = join(folder, `ended-${signal}.ndjson`)
    const child = new Command(['run', flow('#busy', 'busy'), '--input', three, '--output', output, '--no-progress'])
    await child.has('stderr', 'handling a,b,c')
    // Before it says so, it has read the input twenty times over: behind the last line, the end of a file takes one more read.
    child.child.kill(signal)
    assert.equal(await within(TIME, child.end), { code: 0, signal: null })
    assert.is(json(readFileSync(output, 'utf8')).length, 3)
    assert.not.match(child.stderr, /stopped by/)
  })

  test(`R172 ${signal}: what was written stays, and it is said that the next run would write it anew`, async () => {
    const output = join(folder, `stopped-${signal}.ndjson`)
    const child = new Command(['run', flow('#patient', 'patient'), '--input-format', 'lines', '--request-size', '2', '--output', output, '--no-progress'])
    child.child.stdin.write('a\nb\n')
    await child.has('stderr', 'handling a,b')
    child.child.kill(signal)
    assert.equal(await within(TIME, child.end), { code: stopped, signal: null })
    assert.is(json(readFileSync(output, 'utf8')).length, 2)
    assert.match(child.stderr, /another --output: .*stopped-.*\.ndjson would be written anew/)
  })

  test(`R136 ${signal} while the Flow starts: it is closed, and nothing is read`, async () => {
    const child = new Command(['run', flow('#Slow', 'slow'), '--input-format', 'lines', '--no-progress'])
    child.child.stdin.write('a\n')
    await child.has('stderr', 'opening')
    child.child.kill(signal)
    assert.equal(await within(TIME, child.end), { code: stopped, signal: null })
    assert.is(child.stdout, '')
    assert.match(child.stderr, /closed[\s\S]*0 documents/)
  })

  test(`R136 ${signal} twice ends a run that hangs`, async () => {
    const child = new Command(['run', flow('#stuck', 'stuck'), '--input-format', 'lines', '--request-size', '1'])
    child.child.stdin.write('a\n')
    await child.has('stderr', 'handling')
    child.child.kill(signal)
    await child.has('stderr', 'finishing')
    child.child.kill(signal)
    assert.equal(await within(TIME, child.end), { code: null, signal })
  })
}

test('R136 a second signal gets through while the output is blocked', async () => {
  const child = new Command(['run', flow('#large', 'blocked'), '--input-format', 'lines', '--request-size', '1'], { paused: true })
  child.child.stdin.write('line\n'.repeat(50))
  await child.has('stderr', 'handled 5\n')
  child.child.kill('SIGINT')
  await child.has('stderr', 'finishing')
  child.child.kill('SIGINT')
  assert.equal(await within(TIME, child.end), { code: null, signal: 'SIGINT' })
})

test('212: a full disk is told, and no line is lost in silence', async () => {
  if (!existsSync('/dev/full')) return
  const { code, stderr } = await run([upper, '-i', three, '-o', '/dev/full'])
  assert.is(code, 1)
  assert.match(stderr, /\/dev\/full cannot be written: ENOSPC/)
  const shell = spawnSync('sh', ['-c', `${command} run "${upper}" -i "${three}" >/dev/full`], { encoding: 'utf8' })
  assert.is(shell.status, 1)
  assert.match(shell.stderr, /stdout cannot be written: ENOSPC/)
})

test('212: a run that fails leaves earlier results as they were, and says where its own are', async () => {
  const output = write('earlier.ndjson', 'earlier\n')
  chmodSync(output, 0o640)
  const bad = write('bad.ndjson', '{"text":"good"}\n{"text":"bad"}\n')
  const failed = await run([flow('#picky', 'picky-out'), '-i', bad, '-o', output, '--request-size', '1', '--in-order'])
  assert.is(failed.code, 1)
  assert.is(readFileSync(output, 'utf8'), 'earlier\n')
  const [, partial] = /is as it was; what came before the failure is in (\S+)/.exec(failed.stderr) ?? []
  assert.equal(
    json(readFileSync(partial!, 'utf8')).map(({ text }) => text),
    ['good'],
  )
  rmSync(partial!)
  const nothing = await run([upper, '-i', write('broken-first.ndjson', '{"text":\n'), '-o', output])
  assert.is(nothing.code, 1)
  assert.not.match(nothing.stderr, /is as it was/)
  assert.equal(
    readdirSync(folder).filter((name) => name.endsWith('.partial')),
    [],
  )
  const well = await run([upper, '-i', three, '-o', output])
  assert.is(well.code, 0, well.stderr)
  assert.is(json(readFileSync(output, 'utf8')).length, 3)
  assert.is(statSync(output).mode & 0o777, 0o640)
})

test('212: one file cannot be input and output at once, by no name of it', async () => {
  const text = readFileSync(three, 'utf8')
  const linked = join(folder, 'linked.ndjson')
  linkSync(three, linked)
  const shell = (line: string) => spawnSync('sh', ['-c', line.replace('sluice', `${command} run "${upper}"`)], { encoding: 'utf8' })
  for (const line of [
    `sluice -i "${three}" -o "${linked}"`,
    `sluice <"${three}" -o "${linked}"`,
    `sluice -i "${three}" >>"${linked}"`,
    `sluice <"${three}" >>"${three}"`,
  ]) {
    const { status, stderr } = shell(line)
    assert.is(status, 2, `${line}: ${stderr}`)
    assert.match(stderr, /input and output at once/)
    assert.is(readFileSync(three, 'utf8'), text)
  }
  rmSync(linked)
})

test('212: what executors print does not get among the results', async () => {
  const { code, stdout, stderr } = await run([flow('#noisy', 'noisy'), '-i', three, '--no-progress'])
  assert.is(code, 0, stderr)
  assert.equal(
    json(stdout).map(({ text }) => text),
    ['a', 'b', 'c'],
  )
  assert.match(stderr, /loaded\n[\s\S]*printed\n[\s\S]*written/)
})

test('212: the exit code is that of the job, whatever a library says', async () => {
  const bad = write('only-bad.ndjson', '{"text":"bad"}\n')
  const runs = await Promise.all([
    run([flow('#says5', 'says5'), '-i', three]),
    run([flow('#says0', 'says0'), '-i', bad]),
    run([flow('#never', 'never'), '-i', three]),
    run([flow('#exits', 'exits'), '-i', three]),
  ])
  assert.equal(
    runs.map(({ code }) => code),
    [0, 1, 1, 1],
  )
  assert.match(runs[2]!.stderr, /nothing goes on any more, and not all is answered/)
  assert.match(runs[3]!.stderr, /ended the process with 0 before all was answered/)
})

test('212: a run that has taken the name does not say that the earlier file is there', async () => {
  const output = write('taken.ndjson', 'earlier\n')
  const bad = write('one-bad.ndjson', '{"text":"good"}\n{"text":"bad"}\n')
  const { code, stderr } = await run([flow('#picky', 'picky-on'), '-i', bad, '-o', output, '--request-size', '1', '--continue-on-error'])
  assert.is(code, 1)
  assert.not.match(stderr, /is as it was/)
  assert.equal(
    json(readFileSync(output, 'utf8')).map(({ text }) => text),
    ['good'],
  )
})

test('212: the Flow itself cannot be the output', async () => {
  const { code, stderr } = await run([upper, '-i', three, '-o', upper])
  assert.is(code, 2)
  assert.match(stderr, /is the Flow, and cannot be the output/)
  assert.match(readFileSync(upper, 'utf8'), /jtype: Flow/)
})

test('--on an endpoint that no executor of the Flow has is refused, with the one that is meant', async () => {
  const search = flow('#Search', 'search')
  for (const on of [['--on', '/serach'], []]) {
    const refused = await run([search, ...on, '--no-progress'], '{"text":"a"}\n')
    assert.is(refused.code, 2)
    assert.is(refused.stdout, '')
    assert.match(
      refused.stderr,
      on.length > 0
        ? /--on names \/serach, which is no endpoint there\. There are \/search\. Did you mean \/search\?/
        : /: no --on was given, so it is \/, which is no endpoint there\. Say --on \/search$/m,
    )
  }
  // Nor does a join, which passes on whatever comes.
  const joined = write(
    'joined.yml',
    'jtype: Flow\nexecutors:\n  - { name: one, uses: ./executors.mjs#Search }\n  - { name: other, uses: ./executors.mjs#Search, needs: gateway }\n  - { name: both, needs: [one, other] }\n',
  )
  const passed = await run([joined, '--on', '/zzz', '--no-progress'], '{"text":"a"}\n')
  assert.equal([passed.code, passed.stdout], [2, ''])
  assert.match(passed.stderr, /--on names \/zzz, which is no endpoint there\. There are \/search/)
  const done = await run([search, '--on', '/search', '--no-progress'], '{"text":"a"}\n')
  assert.is(done.code, 0, done.stderr)
  assert.is(json(done.stdout)[0].text, 'a!')
})

test('146: a document that cannot be written is named; with --continue-on-error, its request alone fails', async () => {
  const input = write('bigint.ndjson', '{"text":"good"}\n{"id":"culprit","text":"bigint"}\n{"text":"last"}\n')
  for (const more of [[], ['--responses']]) {
    const args = [flow('#bigint', 'bigint'), '-i', input, '--request-size', '1', '--in-order', '--no-progress', ...more]
    const failed = await run(args)
    assert.is(failed.code, 1)
    assert.match(failed.stderr, /document culprit: tags\.n is a bigint, which JSON does not have/)
    assert.is(json(failed.stdout).length, 1)
    const gone = await run([...args, '--continue-on-error'])
    assert.is(gone.code, 1)
    assert.match(gone.stderr, /^sluice: request [0-9a-f]{32} failed: .*document culprit: tags\.n is a bigint/m)
    assert.equal(
      json(gone.stdout).map(({ text, data }) => text ?? data[0].text),
      ['good', 'last'],
    )
  }
  const results = await run([flow('#resulting', 'resulting'), '-i', three, '--responses', '--no-progress'])
  assert.match(results.stderr, /parameters\.__results__\.step\.n is a bigint/)
})

test('P16: documents that grow are results once, whole; of whole responses, each piece says what was appended, too', async () => {
  const args = [flow('#growing', 'growing'), '--no-progress']
  const [results, responses] = await Promise.all([run(args, '{"id":"x","text":"a"}\n'), run([...args, '--responses'], '{"id":"x","text":"a"}\n')])
  assert.equal(json(results.stdout), [{ id: 'x', text: 'a!?', tags: { text: '?' } }])
  assert.equal(
    json(responses.stdout).map(({ partial, delta, data }) => [partial, delta?.map(({ text }: any) => text), data[0].text]),
    [
      [true, ['!'], 'a!'],
      [true, ['?'], 'a!?'],
      [undefined, undefined, 'a!?'],
    ],
  )
})

test('results are NDJSON: a name that says another format is refused', async () => {
  for (const [name, format] of [
    ['out.csv', 'csv'],
    ['OUT.CSV', 'csv'],
    ['out.txt', 'lines'],
  ] as const) {
    const { code, stderr } = await run([upper, '-i', three, '-o', join(folder, name)])
    assert.is(code, 2)
    assert.match(stderr, new RegExp(`${name} would be taken for ${format}: results are NDJSON, a JSON document a line\\. Name it \\.ndjson`))
    assert.not(existsSync(join(folder, name)))
  }
})

for (const how of ['hangs', 'stuck'])
  test(`a run that ends before anything is written (${how}) leaves no empty file behind, and the results of before as they were`, async () => {
    const output = write(`${how}.ndjson`, '{"text":"before"}\n')
    const child = new Command(['run', flow(`#${how}`, how), '--input-format', 'lines', '--output', output, '--no-progress'])
    child.child.stdin.write('a\n')
    await child.has('stderr', 'handling')
    assert.is(readdirSync(folder).filter((name) => name.startsWith(`${how}.ndjson.`)).length, 1)
    // By a second signal, or as nothing goes on any more.
    if (how === 'hangs') {
      child.child.kill('SIGINT')
      await child.has('stderr', 'once more to end')
      child.child.kill('SIGINT')
    }
    child.child.stdin.end()
    const { code, signal } = await within(TIME, child.end)
    assert.equal([code, signal], how === 'hangs' ? [null, 'SIGINT'] : [1, null])
    assert.equal(
      readdirSync(folder).filter((name) => name.startsWith(`${how}.ndjson.`)),
      [],
    )
    assert.is(readFileSync(output, 'utf8'), '{"text":"before"}\n')
  })

test('failures go to a file, the others go on; --retry-failures reads that file', async () => {
  const input = write('some.ndjson', '{"text":"a"}\n{"text":"bad one","lang":"en"}\n{"text":"b"}\n')
  const failures = join(folder, 'failures.ndjson')
  const first = await run([flow('#single', 'single'), '-i', input, '--failures', failures])
  assert.equal([first.code, first.texts], [1, 'a! b!'])
  assert.match(first.stderr, /what failed is in .*failures\.ndjson; --retry-failures reads it/)
  const [failure, ...others] = json(readFileSync(failures, 'utf8'))
  assert.equal([failure.doc.text, failure.doc.tags, failure.executor, failure.attempts, others], ['bad one', { lang: 'en' }, 'step', 1, []])
  assert.match(failure.error.message, /^step failed at \/ for document .*: will not$/)

  const second = await run([upper, '--retry-failures', failures])
  assert.equal([second.code, second.texts], [0, 'BAD ONE'])

  // Of a request that fails as a whole, too.
  const whole = await run([
    flow('#picky', 'picky-failures'),
    '-i',
    write('bad.ndjson', '{"text":"bad"}\n{"text":"c"}\n'),
    '--request-size',
    '1',
    '--failures',
    failures,
  ])
  assert.equal([whole.code, whole.texts, json(readFileSync(failures, 'utf8')).map(({ doc, executor }) => [doc.text, executor])], [1, 'c', [['bad', 'step']]])
})

test('what cannot be read as failures, or would be written over, is refused', async () => {
  const none = await run([upper, '--retry-failures', three])
  assert.is(none.code, 1)
  assert.match(none.stderr, /three\.ndjson:1 was not written by --failures/)
  const both = await run([upper, '--retry-failures', three, '-i', three])
  assert.equal([both.code, /in place of --input/.test(both.stderr)], [2, true])
  const same = await run([upper, '-i', three, '-o', join(folder, 'x'), '--failures', join(folder, 'x')])
  assert.equal([same.code, /cannot both be/.test(same.stderr)], [2, true])
  const over = await run([upper, '--retry-failures', three, '--failures', three])
  assert.equal([over.code, /cannot be input and output at once/.test(over.stderr)], [2, true])
})

test.run()
