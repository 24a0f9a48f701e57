// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// What is refused, with file, line, column and key: one table, the file and what it says of it.
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadFlow } from '../../lib/config/flow.js'
import type { FlowOptions } from '../../lib/flow/options.js'
import { ConfigError, Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const outside = new Folder()
const root = new Folder()
outside.file('evil.mjs', 'globalThis.evil = true; export default () => {}')
outside.file('evil.yml', 'modules: ./evil.mjs')
root.file(
  'text.mjs',
  'export const upper = ({ docs }) => { for (const doc of docs) doc.text = doc.text.toUpperCase() }\nexport default upper\nexport const Store = () => {}',
)
root.file('exec.py', 'class MyExec: pass')
root.file('list.yml', '- a')
root.file('nested.yml', 'jtype: upper\nmodules: ./text.mjs\nrequests:\n  /index: 5\n')
root.file('python.yml', '# a comment\njtype: MyExec\nmetas:\n  py_modules:\n    - exec.py\n')
root.file('way-out.yml', 'modules: ../evil.mjs\n')
root.file('flow.yml', 'jtype: Flow\n')
symlinkSync(join(outside.path, 'evil.yml'), join(root.path, 'link.yml'))
symlinkSync(outside.path, join(root.path, 'folder'))

const head = 'jtype: Flow\nexecutors:\n'
const step = (keys: string): string => `${head}  - name: a\n    ${keys}\n`

/** The text; line, column and key; what the message says. The file, if it is another. */
const table: [what: string, text: string, line: number | undefined, column: number | undefined, key: string | undefined, message: RegExp, file?: string][] = [
  ['F7 an executor of Jina’s hub', step('uses: jinahub://CLIPEncoder/v0.2'), 4, 5, 'uses', /hub.*npm:package@1\.2\.3#Export/],
  [
    'F7 an executor of Jina AI’s hub in a container',
    step('uses: jinaai+docker://jina-ai/Translator:latest'),
    4,
    5,
    'uses',
    /hub.*write docker:\/\/name-of-the-image/,
  ],
  [
    'F7 an image that is to be a thread',
    step('uses: docker://me/my-image\n    runtime: thread'),
    4,
    5,
    'uses',
    /is an image, which runs in a container and is no module/,
  ],
  ['F7 a network in which nobody is', step('uses: docker://me/my-image\n    force_network_mode: NONE'), 5, 5, 'force_network_mode', /nobody could reach it/],
  ['F7 a host', step('host: 10.0.0.7'), 4, 5, 'host', /another machine is external: true/],
  ['F7 several hosts', step('host: [a.example, b.example]'), 4, 5, 'host', /another machine is external: true/],
  ['F7 an executor before', step('uses_before: ./text.mjs'), 4, 5, 'uses_before', /add an executor of its own before/],
  ['F7 an executor behind', step('usesAfter: ./text.mjs'), 4, 5, 'usesAfter', /behind this one/],
  ['F7 replicas with a common state', step('stateful: true'), 4, 5, 'stateful', /common state/],
  ['F7 a gateway of one’s own', 'jtype: Flow\ngateway:\n  uses: gateway.yml\n', 3, 3, 'uses', /gateway of your own/],
  ['E4 a Python file', step('uses: exec.py#MyExec'), 4, 5, 'uses', /"exec\.py" is Python.*\.\/exec\.js.*external/],
  ['E4 a Python module', `${step('uses: MyExec')}    py_modules: [exec.py]\n`, 5, 5, 'py_modules', /is Python/],
  ['E4 a Python module of a dict', step('uses:\n      jtype: MyExec\n      py_modules: exec.py'), 6, 7, 'py_modules', /is Python/],
  ['E4 a Python module below metas of a file', step('uses: python.yml'), 4, 3, 'py_modules', /is Python/, 'python.yml'],
  ['E4 a class without a module', step('uses: MyExec'), 4, 5, 'uses', /no module is named that exports MyExec/],
  ['E4 a module without a class', step('py_modules: text.mjs'), 4, 5, 'py_modules', /which class/],
  ['E4 YAML of an executor that is a list', step('uses: list.yml'), 1, 1, undefined, /described by keys/, 'list.yml'],
  [
    'E4 YAML of an executor with a misspelled key',
    step('uses: |\n      jtype: upper\n      module: ./text.mjs'),
    6,
    undefined,
    'module',
    /Did you mean modules/,
  ],
  [
    'E4 an export that is not there',
    step('uses: |\n      jtype: uper\n      modules: ./text.mjs'),
    6,
    undefined,
    'modules',
    /exports no uper\. Did you mean upper\?/,
  ],
  ['E5 a binding that is no method', step('uses: nested.yml'), 3, 1, 'requests', /\/index must be bound to the name of a method, not to 5/, 'nested.yml'],
  ['E5 metas with a misspelled key', step('uses_metas: { nam: x }'), 4, 19, 'nam', /Did you mean name\?/],
  ['F7 shards and replicas', `${step('shards: 2')}    replicas: 3\n`, 4, 5, 'shards', /names of one number/],
  ['R87 too many replicas', step('replicas: 1000000'), 4, 5, 'replicas', /from 1 to 1000/],
  ['R87 no replica', step('parallel: 0'), 4, 5, 'parallel', /from 1 to 1000/],
  ['R87 a time below nothing', step('timeout: -5'), 4, 5, 'timeout', /milliseconds/],
  ['R87 a time that is a text', step('timeout_send: soon'), 4, 5, 'timeout_send', /milliseconds/],
  ['F7 a way of polling that there is none', step('polling: SOME'), 4, 5, 'polling', /one of ANY, ALL, ALL_ASYNC/],
  ['F7 polling that is no JSON', step('polling: "{all"'), 4, 5, 'polling', /no JSON/],
  ['F7 batches without a size', step('dynamic_batching: { /index: { timeout: 10 } }'), 4, 33, 'preferredBatchSize', /preferred_batch_size: 10/],
  ['F7 a batch of nothing', step('dynamic_batching: { preferred_batch_size: 0 }'), 4, 25, 'preferred_batch_size', /an integer ≥ 1/],
  [
    'F7 batches of a method that is not there',
    step('uses_dynamic_batching: { encode: { preferred_batch_size: 2 } }'),
    4,
    5,
    'uses_dynamic_batching',
    /encode is neither an endpoint/,
  ],
  ['F7 retries without a number', step('retries: { delay: 5 }'), 4, 14, 'attempts', /attempts: 3/],
  ['F7 a way of adding that there is none', step('method: inspect'), 4, 5, 'method', /Known: add, needs, needs_all/],
  ['F7 needs of one', `${step('method: needs')}    needs: gateway\n`, 4, 5, 'method', /two executors or more/],
  ['F7 a function', 'jtype: Flow\nwith:\n  on_background_error: log\n', 3, 3, 'on_background_error', /in code only/],
  ['F7 a signal', step('signal: 1'), 4, 5, 'signal', /in code only/],
  ['E10 schemas', step('input: { tags: {} }'), 4, 5, 'input', /in code only: write static input into the class that uses names/],
  ['E8 an environment that is a list', step('env: [A=1]'), 4, 5, 'env', /texts by name/],
  ['E8 an environment of objects', step('env: { A: { B: 1 } }'), 4, 12, 'A', /must be text, not an object/],
  ['R82 an executor that needs itself', `${head}  - { name: a, needs: a }\n`, 3, 16, 'needs', /a needs itself/],
  ['R82 a circle', `${head}  - { name: a, needs: [b] }\n  - { name: b, needs: [a] }\n`, 4, 16, 'needs', /circle: a → b → a/],
  ['R82 __proto__ as a name', step('needs: __proto__'), 4, 5, 'needs', /no executor called __proto__/],
  ['R82 a name that is taken', `${step('')}  - name: a\n`, 5, 5, 'name', /already an executor called a/],
  ['R79 a class tag with a value', step('uses: !upper text'), 4, 18, 'uses', /the tag !upper is not read/],
  ['R79 a class tag elsewhere', step('uses_with: !upper { a: 1 }'), 4, 23, 'uses_with', /the tag !upper is not read/],
  ['R80 a number that cannot be held', step('uses_with: { id: 12345678901234567890 }'), 4, 22, 'id', /Quote it/],
  ['R119 a file above', step('uses: ../evil.yml'), 4, 5, 'uses', /leads out/],
  ['R119 a file below that names a module above', step('uses: way-out.yml'), 1, 1, 'modules', /leads out/, 'way-out.yml'],
  ['R119 YAML behind a link', step('uses: link.yml'), 4, 5, 'uses', /a link that leads out/],
  ['R119 a module behind a linked folder', step('uses: folder/evil.mjs'), 4, 5, 'uses', /a link that leads out/],
  ['R119 a file: URL', step(`uses: ${pathToFileURL(join(outside.path, 'evil.mjs')).href}`), 4, 5, 'uses', /leads out/],
  ['R119 a module of Node under modules', step('uses: { jtype: default, modules: "node:fs" }'), 4, 29, 'modules', /leads out/],
  ['R119 code as an address', step('uses: "data:text/javascript,export default 1"'), 4, 5, 'uses', /leads out/],
  ['R119 a deployment above', 'jtype: Flow\nexecutors:\n  - ../flow.yml\n', 3, 5, 'executors', /leads out/],
  ['R81 constructor below with', step('uses: { modules: ./text.mjs, with: { constructor: { prototype: 1 } } }'), 4, 42, 'constructor', /cannot be a key/],
  ['R81 __proto__ in inline text', step('uses: |\n      modules: ./text.mjs\n      __proto__: { a: 1 }'), 6, undefined, '__proto__', /cannot be a key/],
  ['F10 a package that is none', step('uses: npm:../evil'), 4, 5, 'uses', /names no package/],
  ['F10 a package with a range', step('uses: npm:left-pad@^1.0.0#pad'), 4, 5, 'uses', /exact version/],
  ['F10 a package with an option of npm', step('uses: "npm:--registry=http://evil#x"'), 4, 5, 'uses', /names no package/],
  ['F10 a package that is an address', step('uses: npm:http://evil/x.tgz'), 4, 5, 'uses', /names no package/],
  ['R88 a variable that is not set', step('uses_with: { key: "${{ ENV.SLUICE_NOT_SET }}" }'), 4, 18, 'key', /not set: SLUICE_NOT_SET/],
  ['R88 an old variable that is not set', step('workspace: $SLUICE_NOT_SET/x'), 4, 5, 'workspace', /not set: SLUICE_NOT_SET.*\$\$/],
  ['R88 a name that is not in the context', step('workspace: ${{ CONTEXT.folder }}'), 4, 5, 'workspace', /no folder/],
  ['R88 an expression', step('workspace: ${{ ENV.A + 1 }}'), 4, 5, 'workspace', /is no reference/],
  ['R88 a reference to nothing', step('workspace: ${{ root.with.workspace }}'), 4, 5, 'workspace', /no with/],
  ['R88 a reference to an object', step('workspace: ${{ root.executors }}'), 4, 5, 'workspace', /an array of 1.*anchor/],
  ['R88 a circle of references', 'jtype: Flow\nwith:\n  name: ${{ this.workspace }}\n  workspace: x${{ root.with.name }}\n', 3, 3, 'name', /in a circle/],
  ['R88 an inherited name', step('workspace: ${{ CONTEXT.constructor }}'), 4, 5, 'workspace', /no constructor/],
]

test('R78 there are enough of them', () => assert.ok(table.length >= 30))

let files = 0
for (const [what, text, line, column, key, message, other] of table) {
  test(what, async () => {
    const file = root.file(`flow-${files++}.yml`, text)
    const error = await loadFlow(file, (options: FlowOptions) => new Flow<string>(options), { context: { class: 'x' } }).then(
      () => assert.unreachable('was read'),
      (error: unknown) => error,
    )
    assert.instance(error, ConfigError, String((error as Error).stack))
    const { message: said, file: named, code, ...at } = error as ConfigError
    assert.match(said, message)
    assert.equal({ line: at.line, column: at.column, key: at.key }, { line, column, key }, said)
    assert.is(code, 'ERR_CONFIG')
    assert.ok(named!.endsWith(other === undefined ? file : `/${other}`), said)
    assert.ok(said.startsWith(`${named}:${line}:${column === undefined ? '' : `${column}:`} ${key === undefined ? '' : `${key}: `}`), said)
    assert.is(({} as Record<string, unknown>).a, undefined)
    assert.is((globalThis as Record<string, unknown>).evil, undefined)
  })
}

test('R119 allowOutside follows paths and file: URLs, and no other addresses', async () => {
  const load = (uses: string) =>
    loadFlow(`jtype: Flow\nexecutors:\n  - uses: "${uses}"\n`, (options: FlowOptions) => new Flow<string>(options), { allowOutside: true })
  outside.file('fine.mjs', 'export default () => {}')
  for (const uses of [join(outside.path, 'fine.mjs'), pathToFileURL(join(outside.path, 'fine.mjs')).href, join(root.path, 'folder', 'fine.mjs')])
    assert.is((await load(uses)).executors.length, 1)
  for (const uses of ['node:fs#rmSync', 'http://localhost/x.mjs', 'data:text/javascript,1']) {
    const error = await load(uses).catch((error: unknown) => error)
    assert.match((error as Error).message, /leads out/)
  }
})

test.run()
