// What files of Jina 2 say in its own way, read as Jina reads it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError, Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
folder.file('mine.mjs', 'export const Mine = ({ docs }) => { for (const doc of docs) doc.text += "!" }\nexport const Other = Mine')
folder.file('my.module.mjs', 'export const Mine = () => {}')

async function load(text: string): Promise<{ flow: Flow<string>; notices: string[] }> {
  const notices: string[] = []
  return { flow: await Flow.loadConfig(folder.file('flow.yml', text), { onNotice: (notice) => notices.push(notice) }), notices }
}

async function refused(text: string): Promise<string> {
  const error = await load(text).then(
    () => assert.unreachable(`${text} was read`),
    (error: unknown) => error,
  )
  assert.instance(error, ConfigError)
  return (error as Error).message
}

test('189: port_in of an external executor is its port, and that of another one has no effect', async () => {
  const { flow, notices } = await load('jtype: Flow\npods:\n  - { name: a, external: true, host: 10.0.0.5, port_in: 51005 }\n  - { name: b, port_in: 51006 }\n')
  assert.equal(flow.plan.steps[0]!.options, { name: 'a', external: true, host: '10.0.0.5', port: 51005 })
  assert.equal(flow.plan.steps[1]!.options, { name: 'b' })
  assert.equal(notices.length, 1)
  assert.match(notices[0]!, /flow\.yml:4: port_in has no effect/)
  assert.match(await refused('jtype: Flow\npods:\n  - { external: true, host: x, port_in: 1, port: 2 }\n'), /given twice, as port_in and as port/)
})

test('189: py_modules of the whole Flow are those of executors that name a class only', async () => {
  const { flow, notices } = await load(
    'jtype: Flow\nwith: { py_modules: mine.mjs }\npods:\n  - uses: Mine\n  - uses: { jtype: Other }\n  - uses: ./mine.mjs#Mine\n  - { uses: Mine, py_modules: my.module.mjs }\n  - name: last\n',
  )
  assert.equal(notices, [])
  await flow.open({ serve: false })
  assert.equal((await flow.post('/', 'a').docs()).texts, ['a!!!'])
  await flow.close()
  assert.match(await refused('jtype: Flow\nwith: { py_modules: [mine.mjs] }\npods:\n  - uses: Nobody\n'), /mine\.mjs exports no Nobody/)
})

test('189: numbers in quotes are the numbers, if they are exact and decimal', async () => {
  const { flow } = await load(
    "jtype: Flow\nwith: { prefetch: '5', port: \"8080\", protocol: http, close_timeout: '1.5' }\npods:\n  - { replicas: '2', timeout: '-1', retries: { attempts: '3' } }\n  - { external: true, host: [a, b], port: ['1', 2] }\n",
  )
  assert.equal(flow.plan.options, { prefetch: 5, port: 8080, protocol: 'http', closeTimeout: 1.5 })
  assert.equal(
    flow.plan.steps.map(({ options }) => options),
    [
      { replicas: 2, retries: { attempts: 3 } },
      { external: true, host: ['a', 'b'], port: [1, 2] },
    ],
  )
  for (const text of ['010', '1_0', '0x10', ' 5', '5 ', '1e3', '', 'five', '99999999999999999999'])
    assert.match(await refused(`jtype: Flow\nwith: { prefetch: '${text}' }\n`), /this must be/, text)
  const { flow: texts } = await load("jtype: Flow\nwith: { name: '5', env: { A: '08' } }\npods:\n  - { uses_with: { n: '5' } }\n")
  assert.equal(texts.plan.options, { name: '5', env: { A: '08' } })
  assert.equal(texts.plan.steps[0]!.options, { usesWith: { n: '5' } })
})

test('189: the versions are those that Jina reads', async () => {
  for (const version of ["'1'", '1', '1.0', "'1.1'", 'legacy', "''", '~'])
    assert.is((await load(`jtype: Flow\nversion: ${version}\n`)).flow.executors.length, 0)
  for (const version of ["'2'", '3', 'latest', '[1]', 'true', "'1.x'"])
    assert.match(await refused(`jtype: Flow\nversion: ${version}\n`), /:2:1: version: .* is no version of this format/)
  assert.match(await refused("jtype: Deployment\nversion: '2'\n"), /no version/)
  assert.match(await refused("jtype: Flow\npods:\n  - uses: { modules: ./mine.mjs#Mine, version: '2' }\n"), /:3:\d+: version: "2" is no version/)
})

test('189: a module of Python that is named with dots is said to be Python', async () => {
  for (const module of ['my.package.module', 'my.Module'])
    for (const text of [`{ uses: Mine, py_modules: [${module}] }`, `{ uses: { jtype: Mine, py_modules: ${module} } }`])
      assert.match(await refused(`jtype: Flow\npods:\n  - ${text}\n`), /is Python, which does not run here\. Port it to a module, such as \.\/[mM]odule\.js/)
  assert.match(await refused('jtype: Flow\npods:\n  - { uses: Mine, py_modules: my.modul.mjs }\n'), /there is no "my\.modul\.mjs"/)
})

test.run()
