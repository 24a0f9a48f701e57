// By tsx: the executors of its configurations are TypeScript, loaded while it runs.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadFlow } from '../../lib/config/flow.js'
import { saveFlow } from '../../lib/config/save.js'
import { flowSchema } from '../../lib/config/schema.js'
import { parseYaml } from '../../lib/config/yaml.js'
import type { AddOptions, FlowOptions, Plan } from '../../lib/flow/options.js'
import { Flow } from '../../lib/index.js'
import { problems } from './validate.js'

const FOLDER = 'test/config/fixtures'
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yml'))
const schema = flowSchema()

const env = {
  JINA_PORT: '45678',
  JINA_WORKSPACE: '/data',
  JINA_PARALLEL: '2',
  SUFFIX: '-SUFFIX-',
  PORT: '8080',
  FLAG: 'true',
  NOTHING: 'null',
  OCTAL: '012',
  LONG: '12345678901234567890',
  SECRET: '007',
  SEVEN: '7',
  SEVEN_NAME: 'seven',
  MODULE: './executors/text.ts',
}
const context = { name: '42', model: 'small', top: 5, rate: 0.5, on: true, nested: { a: [1, 2] }, class: 'Upper' }

/** A Flow that keeps what it was told, whatever it makes of it. */
class Told extends Flow<string> {
  readonly steps: AddOptions[] = []
  override add(options: any): any {
    this.steps.push(options)
    return super.add(options)
  }
}

async function load(file: string): Promise<{ flow: Told; notices: string[] }> {
  const notices: string[] = []
  const flow = await loadFlow(join(FOLDER, file), (options: FlowOptions) => new Told(options), { env, context, onNotice: (notice) => notices.push(notice) })
  return { flow, notices }
}

test('F7 there are enough of them', () => assert.ok(files.length >= 30, `${files.length} files`))

for (const file of files) {
  const text = readFileSync(join(FOLDER, file), 'utf8')
  const expected = [...text.matchAll(/^# post (\S+): (.*) -> (.*)$/gm)]

  test(`F7 ${file} loads and runs`, async () => {
    assert.ok(expected.length > 0, 'says nothing of what comes out')
    const { flow } = await load(file)
    await flow.open({ serve: false })
    try {
      for (const [, on, input, output] of expected) assert.is((await flow.post(on!, input).docs()).texts.join(' '), output)
    } finally {
      await flow.close()
    }
  })

  test(`F7 ${file} is valid by the schema`, async () => {
    const { value, tag } = await parseYaml(text, { file })
    const typed = tag(value as object) === undefined ? value : { jtype: tag(value as object), ...(value as object) }
    assert.equal(problems(typed, schema), [])
  })

  test(`F7 ${file} is saved and loaded as the same`, async () => {
    const { flow } = await load(file)
    const again = await loadFlow(await saveFlow(planOf(flow)), (options: FlowOptions) => new Told(options), { env: {}, onNotice: assert.unreachable })
    assert.equal(again.options, flow.options)
    assert.equal(again.executors, flow.executors)
    assert.equal(again.steps, flow.steps)
  })
}

function planOf(flow: Told): Plan {
  const steps = flow.steps.map((options, at) => ({ name: flow.executors[at]!, needs: [], join: 'concat' as const, floating: false, options }))
  return { name: flow.name, options: flow.options, steps }
}

test.run()
