// What somebody writes who comes from Jina, in code: it works, or is answered with its name here. And what is misspelled.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JINA_NAMES, JINA_SOURCES, NEEDLESS, OPTIONS_OF } from '../../lib/base/jina-names.js'
import { nearest } from '../../lib/base/nearest.js'
import * as page from '../../lib/base/node-web.js'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import { EXECUTOR_KEYS } from '../../lib/config/executor-keys.js'
import { FLOW_KEYS, GATEWAY_KEYS } from '../../lib/config/flow-keys.js'
import type { Keys } from '../../lib/config/keys.js'
import { fromNdjson } from '../../lib/doc/index.js'
import { type Call, Executor, Flow } from '../../lib/index.js'
import { checkPostOptions } from '../../lib/post/options.js'

class Mark extends Executor<{ mark?: string }> {
  static requests = { '/': 'run' }
  run({ docs }: Call): void {
    for (const doc of docs) doc.text += this.config.mark ?? '!'
  }
}

function said(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`
  }
  return 'nothing'
}

test('a name known from Jina, or in snake_case, is answered with the name that it has here', async () => {
  const flow = (options: object) => said(() => new Flow(options))
  const add = (options: object) => said(() => new Flow().add(options as never))
  assert.is(flow({ no_debug_endpoints: true }), 'ERR_OPTION_TYPE Flow has no option "no_debug_endpoints". It is noDebugEndpoints')
  assert.match(flow({ asyncio: true }), /Flow has no option "asyncio"\. Leave it out: everything here is asynchronous$/)
  assert.match(add({ uses: Mark, uses_with: {} }), /add\(\) has no option "uses_with"\. It is usesWith$/)
  assert.match(add({ uses: Mark, upload_files: [] }), /It is uploadFiles$/)
  for (const name of ['uses_before', 'usesBefore']) assert.match(add({ uses: Mark, [name]: 'x' }), /There is none: add an executor of its own before this one/)
  await using open = await new Flow().add({ uses: Mark }).open()
  const post = (options: object) => said(() => open.post('/', 'x', options as never))
  assert.match(post({ target_peapod: 'x' }), /post\(\) has no option "target_peapod"\. It is targetExecutor$/)
  assert.match(post({ return_results: true }), /Leave it out: post\(\) gives responses as they come/)
  assert.match(post({ on_done() {} }), /It is onDone$/)
  // Of one name here and there, ours counts.
  assert.is(flow({ timeout: 5 }), 'nothing')
})

test('no name that is answered is an option here itself, and what executors are said to have, they have', () => {
  const add = (name: string) => said(() => new Flow().add({ uses: Mark, [name]: 1 } as never))
  for (const [name, advice] of Object.entries(JINA_NAMES)) {
    assert.is(add(name), `ERR_OPTION_TYPE add() has no option "${name}". ${advice}`)
    const [, ours] = /^It is (\w+).*, of executors/.exec(advice) ?? []
    if (ours !== undefined) assert.not.match(add(ours), /has no option/)
  }
})

test('what is said to another than who takes it is answered with whose it is, and what means nothing here with why', () => {
  const flow = (name: string) => said(() => new Flow({ [name]: 1 }))
  const add = (name: string) => said(() => new Flow().add({ [name]: 1 } as never))
  assert.is(flow('target_executor'), 'ERR_OPTION_TYPE Flow has no option "target_executor". It is an option of post()')
  assert.is(flow('upload_files'), 'ERR_OPTION_TYPE Flow has no option "upload_files". It is an option of add()')
  assert.match(add('on_done'), /It is an option of post\(\)$/)
  assert.match(add('unknownEndpoint'), /It is an option of new Flow\(\)$/)
  assert.match(flow('log_config'), /Leave it out: nothing is logged here but what fails$/)
  assert.match(add('connect_to_predecessor'), /Leave it out: requests find their way without it$/)
  assert.match(add('port_in'), /It is port$/)
  assert.match(
    said(() => fromNdjson([], { sampling_rate: 0.3 } as object)),
    /There is none: leave the loop when there are enough/,
  )
  // Who is said to take it, takes it.
  const takes: Record<string, (name: string) => string> = { 'add()': add, 'post()': posts, 'new Flow()': flow, 'a Client, and of add()': client }
  for (const [whose, names] of Object.entries(OPTIONS_OF))
    for (const name of names.split(' ')) {
      const taken = Object.keys(takes).find((one) => whose.startsWith(one))
      if (taken !== undefined) assert.not.match(takes[taken]!(name), /has no option/, name)
      if (taken === 'a Client, and of add()') assert.not.match(add(name), /has no option/, name)
    }
})

const client = (name: string): string => said(() => new Client({ [name]: 1 } as object))

test('T1: each name that files of Jina may have is answered in code, too, with what is true there', () => {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const doors: [door: (name: string) => string, keys: object][] = [
    [(name) => said(() => new Flow({ [name]: 1 })), { ...FLOW_KEYS, ...GATEWAY_KEYS }],
    [(name) => said(() => new Flow().add({ [name]: 1 } as never)), EXECUTOR_KEYS],
  ]
  let answered = 0
  for (const [door, keys] of doors)
    for (const key of Object.keys(keys))
      for (const name of new Set([key, snake(key)])) {
        const answer = door(name)
        assert.not.match(answer, /None is written like it/, name)
        if (/Did you mean (\w+)/.test(answer)) assert.is(RegExp.$1, (keys as Keys)[key]!.as ?? key.replace(/s$/, ''), name)
        answered++
      }
  assert.ok(answered > 250)
  // What clients and posts of Jina take.
  for (const name of ['asyncio', 'proxy', 'restful', 'return_results', 'uses', 'log_config', 'stream', 'https'])
    assert.match(client(name), /\. (It is|Leave it out)/, name)
  for (const name of ['max_attempts', 'initial_backoff', 'backoff_multiplier', 'return_type', 'stream', 'return_responses', 'timeout', 'retries', 'headers'])
    assert.match(posts(name), /\. (It is|There is none|Leave it out)/, name)
  assert.match(posts('timeout'), /It is an option of a Client, and of add\(\)\. For one post\(\), it is signal: AbortSignal\.timeout\(milliseconds\)$/)
})

test('T5: each name that is answered stands on the page From Jina, where a search finds it', () => {
  const page = readFileSync('docs/jina.md', 'utf8')
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  // Words of every day, which the page has in its examples.
  const plain = ['with', 'metas', 'requests', 'inspect']
  const names = [...Object.keys({ ...JINA_NAMES, ...JINA_SOURCES }), ...NEEDLESS.flatMap(([, names]) => names.split(' '))]
  for (const name of names) if (!plain.includes(name)) assert.match(page, new RegExp(`[\`(. ]${snake(name)}[\`(=:]`), name)
})

function posts(name: string): string {
  return said(() => checkPostOptions({ [name]: 1 }))
}

test('a name in needs, or of a method, that is misspelled is answered with the one that is meant, and never with itself', async () => {
  const opens = async (flow: Flow<string>) =>
    flow.open().then(
      () => 'nothing',
      (error) => `${error.code} ${error.message}`,
    )
  assert.is(
    await opens(new Flow<string>().add({ name: 'tokenize' }).add({ name: 'b', needs: 'tokenise' })),
    'ERR_NEED_UNKNOWN b needs tokenise, which is not in the Flow. Did you mean tokenize?',
  )
  assert.match(await opens(new Flow<string>().add({ needs: 'gatway' })), /Did you mean gateway\?$/)
  assert.match(await opens(new Flow<string>().add({ name: 'b', needs: 'bb' })), /There is gateway$/)
  const many = new Flow<string>()
  for (let at = 0; at < 12; at++) many.add({ name: `step${at}`, needs: 'gateway' })
  assert.match(await opens(many.add({ needs: 'qqqqqqqq' })), /which is not in the Flow\. $/)
  class Two extends Executor {
    index(): void {}
    search(): void {}
  }
  const rebound = (method: string) => opens(new Flow<string>().add({ uses: Two, usesRequests: { '/x': method } }))
  assert.is(await rebound('serach'), 'ERR_EXECUTOR_BINDING /x is bound to Two.serach, which is not a method for requests. Did you mean search?')
  assert.match(await rebound('foo'), /There are index, search$/)
  assert.match(await rebound('close'), /There are index, search$/)
  assert.is(nearest('same', ['same']), undefined)
  assert.is(page.likeMethod(new Two(), 'serach', Executor.prototype), '')
})

test('flow.port is where it listens, while it does', async () => {
  const flow = new Flow({ protocol: ['http', 'grpc'], port: [0, 0] }).add({ uses: Mark })
  assert.is(flow.port, undefined)
  await flow.open()
  assert.is(flow.port, Number(new URL(flow.addresses.http!).port))
  await using client = new Client({ port: flow.port!, protocol: 'http' })
  assert.equal([...(await client.post('/', 'x').docs()).texts], ['x!'])
  await flow.close()
  assert.is(flow.port, undefined)
  await using silent = await new Flow().add({ uses: Mark }).open()
  assert.is(silent.port, undefined)
})

test('a misspelled option is answered with the one that is meant, and one that is like none with all that there are', () => {
  assert.is(
    said(() => new Flow({ prefech: 3 } as object)),
    'ERR_OPTION_TYPE Flow has no option "prefech". Did you mean prefetch?',
  )
  assert.match(
    said(() => new Flow().add({ uses: Mark, paralel: 2 } as never)),
    /Did you mean parallel\?$/,
  )
  assert.is(
    said(() => new Flow({ colour: 'red' } as object)),
    'ERR_OPTION_TYPE Flow has no option "colour". None is written like it: an editor completes those that there are',
  )
  for (const name of ['__proto__x', 'constructor', 'toString', '_', 'x'.repeat(1e6)])
    assert.match(
      said(() => new Flow({ [name]: 1 })),
      /^ERR_OPTION_TYPE Flow has no option /,
    )
  // Of a few, all are named.
  assert.match(
    said(() => fromNdjson([], { colour: 1 } as object)),
    /fromNdjson\(\) has no option "colour"\. There are .*fieldResolver/,
  )
  // A page has no room for that, and names all.
  assert.is(page.misspelled('Flow', 'prefech', { prefetch: 1 }), undefined)
})

test('a Client takes portExpose, and compression as Jina writes it', async () => {
  await using flow = await new Flow({ port: 0, protocol: 'http' }).add({ uses: Mark }).open()
  const port = Number(new URL(flow.addresses.http!).port)
  for (const compression of ['Gzip', 'Deflate', 'gzip'] as const) {
    await using client = new Client({ host: '127.0.0.1', portExpose: port, protocol: 'http', compression })
    assert.equal([...(await client.post('/', 'x'.repeat(5000)).docs()).texts], [`${'x'.repeat(5000)}!`])
  }
  assert.match(
    said(() => new Client({ port: 1, portExpose: 1 })),
    /^ERR_OPTION_TYPE port must be left out where portExpose is given/,
  )
  assert.match(
    said(() => new Client({ port_expose: 3 } as ClientOptions)),
    /It is portExpose$/,
  )
  assert.match(
    said(() => new Client({ compression: 'brotli' } as never)),
    /^ERR_OPTION_RANGE compression must be one of gzip, deflate/,
  )
})

test('a class that a file names by its name alone is handed over in code', async () => {
  const yaml = 'jtype: Flow\nexecutors:\n  - uses: Mark\n    uses_with: { mark: "?" }\n  - uses: say\n'
  const say = ({ docs }: Call): void => {
    for (const doc of docs) doc.text += ' said'
  }
  const executors = { Mark, say }
  await using flow = await (await Flow.loadConfig(yaml, { executors })).open()
  assert.equal([...(await flow.post('/', 'x').docs()).texts], ['x? said'])
  // An executor's own description may name it, too.
  const nested = 'jtype: Flow\nexecutors:\n  - uses: { jtype: Mark, with: { mark: "." } }\n'
  await using other = await (await Flow.loadConfig(nested, { executors })).open()
  assert.equal([...(await other.post('/', 'x').docs()).texts], ['x.'])
  const refused = async (options?: object): Promise<string> => (await Flow.loadConfig(yaml, options).catch((error) => error)).message
  assert.match(await refused({ executors: { Marc: Mark, say } }), /:3:\d+: uses: executors has no Mark\. Did you mean Marc\?/)
  assert.match(await refused(), /no module is named that exports Mark\. .* or loadConfig\(file, \{ executors: \{ Mark \} \}\)$/)
  assert.match(await refused({ executors: { Mark: 3, say } }), /Mark of executors is 3: export a class/)
  assert.match(await refused({ executors: { Mark: class {}, say } }), /does not extend the Executor/)
})

test('fromNdjson takes a fieldResolver, as fromCsv does', async () => {
  const read = async (line: object, fieldResolver: Record<string, string>) => {
    for await (const { text, tags } of fromNdjson([`${JSON.stringify(line)}\n`], { fieldResolver })) return { text, tags: { ...tags } }
    return undefined
  }
  assert.equal(await read({ body: 'a', n: 1 }, { body: 'text' }), { text: 'a', tags: { n: 1 } })
  assert.equal(await read({ text: 'a', body: 'b', tags: { x: 1 } }, { text: 'tags.title', body: 'text' }), { text: 'b', tags: { x: 1, title: 'a' } })
  assert.equal(await read({ text: 'a' }, { body: 'text' }), { text: 'a', tags: {} })
  assert.match(
    (await read({ text: 'a', body: 'b' }, { body: 'text' }).catch((error) => error)).message,
    /:1: two of its keys fill "text", "body" among them\. Rename one by fieldResolver/,
  )
  assert.match(
    said(() => fromNdjson([], { fieldResolver: { body: 3 } as never })),
    /^ERR_OPTION_TYPE fieldResolver\.body must be a string/,
  )
})

test.run()
