// What somebody writes who comes from Jina, in code: it works, or is answered with its name here. And what is misspelled.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JINA_NAMES } from '../../lib/base/jina-names.js'
import * as page from '../../lib/base/node-web.js'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import { fromNdjson } from '../../lib/doc/index.js'
import { type Call, Executor, Flow } from '../../lib/index.js'

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

test('a misspelled option is answered with the one that is meant, and one that is like none with all that there are', () => {
  assert.is(
    said(() => new Flow({ prefech: 3 } as object)),
    'ERR_OPTION_TYPE Flow has no option "prefech". Did you mean prefetch?',
  )
  assert.match(
    said(() => new Flow().add({ uses: Mark, paralel: 2 } as never)),
    /Did you mean parallel\?$/,
  )
  assert.match(
    said(() => new Flow({ colour: 'red' } as object)),
    /^ERR_OPTION_TYPE An option of Flow must be one of name, .*, not "colour"$/,
  )
  for (const name of ['__proto__x', 'constructor', 'toString', '_', 'x'.repeat(1e6)])
    assert.match(
      said(() => new Flow({ [name]: 1 })),
      /^ERR_OPTION_TYPE (An option of Flow must be one of|Flow has no option) /,
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
  assert.match(await refused(), /no module is named that exports Mark\. .*, or hand it over in code: \{ executors: \{ Mark \} \}/)
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
