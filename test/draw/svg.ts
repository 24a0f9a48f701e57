import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { display, type PlotOptions, plot } from '../../lib/draw/index.js'
import { pictureOf } from '../../lib/draw/picture.js'
import { Executor } from '../../lib/executor/executor.js'
import type { Plan } from '../../lib/flow/options.js'
import { Folder } from '../support/folder.js'
import { flaw, shown } from './geometry.js'
import { planOf } from './plan.js'

class Embed extends Executor {}
class Store extends Executor {}
const folder = new Folder()

/** The words on each card, in the order they stand there. */
function words(svg: string): string[][] {
  return [...svg.matchAll(/<g><title>[\s\S]*?<\/g>/g)].map(([card]) => [...card.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!))
}

async function draw(plan: Plan, options?: PlotOptions): Promise<string> {
  const svg = await plot(plan, undefined, options)
  assert.is(flaw(shown(svg), pictureOf(plan).arrows), undefined)
  return svg
}

const titles = (svg: string): string[] => shown(svg).boxes.map(({ title }) => title)

test('F5 a chain runs from gateway to gateway, straight', async () => {
  const svg = await draw(planOf([{ name: 'embed', uses: Embed }, { name: 'store', uses: Store }, { name: 'log', uses: async () => {} }, {}]))
  assert.equal(words(svg), [['gateway'], ['embed', 'Embed'], ['store', 'Store'], ['log', 'function'], ['executor3', 'passes through'], ['gateway']])
  assert.is(new Set(shown(svg).arrows.flatMap((points) => points.map(([, y]) => y))).size, 1)
})

test('F5 an empty Flow is two gateways', async () => {
  const svg = await draw(planOf([]))
  assert.equal(words(svg), [['gateway'], ['gateway']])
  assert.is(shown(svg).arrows.length, 1)
})

test('F5 a diamond stands symmetrically, and says how it joins', async () => {
  const svg = await draw(
    planOf([
      { name: 'a', uses: Embed },
      { name: 'b', uses: Embed, needs: 'a' },
      { name: 'c', uses: Embed, needs: 'a' },
      { name: 'd', uses: Store, needs: ['b', 'c'], join: 'merge' },
    ]),
    { direction: 'right' },
  )
  assert.equal(words(svg)[4], ['d', 'Store', 'join merge'])
  const middle = shown(svg).boxes.map(({ top, bottom }) => (top + bottom) / 2)
  assert.ok(Math.abs((middle[2]! + middle[3]!) / 2 - middle[1]!) <= 1, 'the fork')
  assert.is(middle[0], middle[1])
})

test('F5 a fork of 16 fans out below each other', async () => {
  const steps = Array.from({ length: 16 }, (_, index) => ({ name: `work${index}`, uses: Embed, needs: 'gateway' }))
  const svg = await draw(planOf([...steps, { name: 'all', needs: steps.map(({ name }) => name) }]))
  const { boxes } = shown(svg)
  assert.is(new Set(boxes.slice(1, 17).map(({ left }) => left)).size, 1)
  assert.equal(words(svg).at(-2), ['all', 'join concat'])
})

test('F5 of two joins each has its own; several last executors join at the gateway', async () => {
  const svg = await draw(
    planOf([{ name: 'a' }, { name: 'b', needs: 'gateway' }, { name: 'c', needs: ['a', 'b'] }, { name: 'd', needs: ['a', 'b'], join: 'merge' }], {
      join: 'merge',
    }),
  )
  assert.equal(words(svg).slice(3), [
    ['c', 'join concat'],
    ['d', 'join merge'],
    ['gateway', 'join merge'],
  ])
})

test('F5 what floats is dashed and below, with all behind it, and leads nowhere', async () => {
  const plan = planOf([
    { name: 'a', uses: Embed },
    { name: 'audit', uses: Store, floating: true },
    { name: 'count', uses: Store, needs: 'audit' },
    { name: 'b', uses: Embed, needs: 'a' },
  ])
  const svg = await draw(plan, { direction: 'right' })
  assert.is(svg.match(/class="card floating"/g)?.length, 2)
  assert.is(svg.match(/class="line floating"/g)?.length, 2)
  assert.equal(words(svg)[2], ['audit', 'Store', 'floating'])
  assert.equal(
    pictureOf(plan).arrows.filter(({ to }) => to === 5),
    [{ from: 4, to: 5, floating: false }],
  )
  const at = (name: string) => shown(svg).boxes.find(({ title }) => title.startsWith(name))!
  assert.ok(at('audit').top > at('b').bottom)
})

test('F5 when all float, what comes in goes out', async () => {
  const { arrows } = pictureOf(planOf([{ name: 'audit', floating: true }]))
  assert.equal(
    arrows.map(({ from, to }) => [from, to]),
    [
      [0, 1],
      [0, 2],
    ],
  )
})

test('F5 replicas are a stack, with their polling', async () => {
  const svg = await draw(
    planOf([
      { name: 'one', uses: Embed, parallel: 1 },
      { name: 'two', uses: Embed, replicas: 2, polling: 'all_async' },
      { name: 'many', uses: Embed, shards: 12, polling: { '*': 'any', '/search': 'ALL' } },
    ]),
  )
  assert.equal(words(svg).slice(1, 4), [
    ['one', 'Embed'],
    ['two', 'Embed', '×2 ALL_ASYNC'],
    ['many', 'Embed', '×12 ANY · /search ALL'],
  ])
  assert.is(svg.match(/class="back"/g)?.length, 3)
})

test('F5 batching, concurrency, timeout, retries', async () => {
  const [, one, other] = words(
    await draw(
      planOf([
        { uses: Embed, dynamicBatching: { preferredBatchSize: 32 }, concurrency: 1, timeout: 1500, retries: 2 },
        { uses: Embed, dynamicBatching: { '/index': { preferredBatchSize: 8 }, '*': { preferredBatchSize: 9 } }, timeout: 50, retries: { attempts: 3 } },
      ]),
    ),
  )
  assert.equal(one, ['executor0', 'Embed', 'batch 32', 'concurrency 1', 'timeout 1.5 s', 'retries 2'])
  assert.equal(other, ['executor1', 'Embed', 'batch 8 /index', 'batch 9', 'timeout 50 ms', 'retries 3'])
})

test('F5 conditions read as they are said', async () => {
  const isEnglish = () => true
  const conditions = {
    'tags.lang = en': { tags__lang: { $eq: 'en' } },
    'a.b ≠ 1 and c in x, y': { a__b: { $neq: 1 }, c: { $in: ['x', 'y'] } },
    '(weight ≥ 2 or no text)': { $or: [{ weight: { $gte: 2 } }, { text: { $exists: false } }] },
    'not (text ~ ^a)': { $not: { text: { $regex: '^a' } } },
    'isEnglish()': isEnglish,
  }
  for (const [said, when] of Object.entries(conditions)) {
    const svg = await draw(planOf([{ name: 'a', when }]))
    assert.match(titles(svg)[1]!, `when ${said}`)
  }
  assert.match(titles(await draw(planOf([{ when: (document: any) => document.weight }])))[1]!, 'when document.weight')
})

test('F5 external executors say where they are', async () => {
  const svg = await draw(planOf([{ name: 'far', external: true, host: 'gpu', port: 8080 }]))
  assert.equal(words(svg)[1], ['far', 'gpu:8080', 'external'])
  assert.match(svg, 'class="card external"')
  assert.match(svg, 'class="mark"')
  const many = async (host: string | string[] | undefined, port: number | number[] | undefined): Promise<string[]> =>
    words(await draw(planOf([{ name: 'far', external: true, host, port }])))[1]!
  assert.equal(await many(['gpu', 'tpu', 'cpu:1'], 8080), ['far', 'gpu:8080 and 2 more', '×3 ANY', 'external'])
  assert.equal(await many('gpu', [1, 2]), ['far', 'gpu:1 and 1 more', '×2 ANY', 'external'])
  assert.equal(await many(undefined, 8080), ['far', 'localhost:8080', 'external'])
  assert.equal(await many('gpu:1', undefined), ['far', 'gpu:1', 'external'])
})

test('F5 what an executor is: class, function, module, YAML', async () => {
  const uses = [class {}, function count() {}, './to/module.js#Name', 'npm:@scope/name@2#Name', 'jtype: Yaml\nwith: {}\n', { modules: ['a.js', 'b.js'] }]
  const found = words(await draw(planOf(uses.map((uses) => ({ uses })))))
  assert.equal(
    found.slice(1, -1).map(([, origin]) => origin),
    ['class', 'count()', 'module.js#Name', '@scope/name@2#Name', 'Yaml', 'a.js, b.js'],
  )
})

test('F5 long names end with an ellipsis, and are whole in the title', async () => {
  const name = `a${'_very_long'.repeat(20)}`
  const svg = await draw(planOf([{ name, uses: `./${'x'.repeat(300)}.js` }]))
  assert.match(words(svg)[1]![0]!, /^a_very.*…$/)
  assert.match(titles(svg)[1]!, name)
  assert.ok(shown(svg).width < 700)
})

test('F5 text is text: nothing of it is read as XML', async () => {
  const odd = Object.defineProperty(class extends Executor {}, 'name', { value: '<script>&"\u0000\ud800' })
  const svg = await draw(planOf([{ name: 'a', uses: odd, when: { 'x"</style>': { $eq: ']]>' } } }], { name: '</title>' }))
  assert.not.match(svg, '<script')
  assert.is(svg.match(/<\/style>/g)?.length, 1)
  assert.match(svg, '<title>&lt;/title&gt;</title>')
  assert.match(words(svg)[1]![1]!, '&lt;script&gt;&amp;&quot;\ufffd\ufffd')
  assert.not.match(svg.replace(/&(amp|lt|gt|quot);/g, ''), '&')
  assert.is(Buffer.from(svg).toString(), svg)
})

test('F5 in light and in dark, for eyes and for readers, by itself', async () => {
  const svg = await draw(planOf([{ name: 'a', uses: Embed, timeout: 5 }], { name: 'search' }))
  assert.match(
    svg,
    /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" class="sluice" .*role="img">\n<title>search<\/title>\n<desc>gateway → a: Embed, timeout 5 ms; a → gateway<\/desc>/,
  )
  assert.match(svg, '@media (prefers-color-scheme:dark)')
  assert.not.match(svg.slice(50), /https?:|url\(|@import|\bid=|<script|on\w+="/)
  const [light, dark] = [await plot(planOf([]), undefined, { theme: 'light' }), await plot(planOf([]), undefined, { theme: 'dark' })]
  assert.not.match(light, '@media')
  assert.is.not(light, dark)
  // Every class that is used has its colour in both.
  for (const style of [light, dark])
    for (const [, used] of svg.matchAll(/class="([\w -]+)"/g))
      for (const name of used!.split(' ')) assert.match(style, new RegExp(name === 'sluice' ? '\\.sluice' : `\\.sluice \\.${name}\\b`))
})

test('F5 wide is told from top to bottom, unless told otherwise', async () => {
  const steps = Array.from({ length: 24 }, (_, at) => ({ name: `step${at}`, uses: Embed, needs: at < 2 ? 'gateway' : `step${at - 2}` }))
  const [auto, right] = [shown(await draw(planOf(steps))), shown(await draw(planOf(steps), { direction: 'right' }))]
  assert.ok(auto.height > auto.width)
  assert.ok(right.width > right.height)
})

for (const count of [10, 40])
  test(`F5 a chain of ${count} folds: rows that a page has room for, each on its axis, and the last about as long as the others`, async () => {
    const svg = await draw(planOf(Array.from({ length: count }, (_, at) => ({ name: `step${at}`, uses: Embed }))))
    const { width, boxes, arrows } = shown(svg)
    assert.ok(width <= 1100, String(width))
    const axes = boxes.map(({ top, bottom }) => (top + bottom) / 2)
    const rows = new Set(axes)
    const lengths = [...rows].map((axis) => axes.filter((one) => one === axis).length)
    assert.ok(rows.size > 1 && Math.max(...lengths) - Math.min(...lengths) <= 2, lengths.join())
    // One arrow goes on from each row, and all others are straight.
    assert.is(arrows.filter((points) => new Set(points.map(([, y]) => y)).size > 1).length, rows.size - 1)
    const wide = shown(await draw(planOf(Array.from({ length: count }, () => ({ uses: Embed }))), { direction: 'right' }))
    assert.is(new Set(wide.boxes.map(({ top, bottom }) => top + bottom)).size, 1, 'not where it is told to run to the right')
  })

test('F5 arrows that lead from one line to another bend neither', async () => {
  const steps = Array.from({ length: 20 }, (_, at) => {
    const needs = at < 2 ? 'gateway' : at % 2 === 0 ? [`step${at - 2}`, `step${at - 1}`] : `step${at - 2}`
    return { name: `step${at}`, uses: Embed, needs }
  })
  const { boxes } = shown(await draw(planOf(steps), { direction: 'right' }))
  const axis = (at: number): number => (boxes[at + 1]!.top + boxes[at + 1]!.bottom) / 2
  // Ends are drawn to what they lead to.
  for (let at = 4; at < 18; at++) assert.is(axis(at), axis(at - 2), `step${at}`)
})

test('F5 a diamond in a long chain stays whole, and folds before or behind it', async () => {
  const chain = (from: number, to: number, first?: string | string[]) =>
    Array.from({ length: to - from }, (_, at) => ({ name: `step${from + at}`, uses: Embed, ...(at === 0 && first !== undefined && { needs: first }) }))
  const fork = ['left', 'right'].map((name) => ({ name, uses: Store, needs: 'step6' }))
  const { width, boxes } = shown(await draw(planOf([...chain(0, 7), ...fork, ...chain(7, 14, ['left', 'right'])])))
  const middle = (title: string): number => {
    const { top, bottom } = boxes.find((box) => box.title.startsWith(title))!
    return (top + bottom) / 2
  }
  assert.ok(width <= 1100, String(width))
  assert.ok(Math.abs((middle('left') + middle('right')) / 2 - middle('step6')) <= 1)
  assert.is(middle('step6'), middle('step7'))
  assert.ok(middle('step13') > middle('step0'))
})

test('F5 the file gets what is returned', async () => {
  const file = folder.file('flow.SVG')
  const svg = await plot(planOf([{}]), file)
  assert.is(readFileSync(file, 'utf8'), svg)
  const other = folder.file('flow.txt')
  assert.match(await plot(planOf([{}]), other, { format: 'mmd' }), /^flowchart LR\n/)
  assert.match(readFileSync(other, 'utf8'), /^flowchart LR\n/)
})

const refusals: [name: string, code: string, message: RegExp, draw: () => Promise<unknown>][] = [
  ['an unknown ending', 'ERR_OPTION_RANGE', /\.svg, \.png or \.mmd/, () => plot(planOf([]), 'flow.gif')],
  ['a file that is none', 'ERR_OPTION_TYPE', /file must be a string/, () => plot(planOf([]), {} as string)],
  ['an unknown option', 'ERR_OPTION_TYPE', /colour/, () => plot(planOf([]), undefined, { colour: 1 } as PlotOptions)],
  ['an unknown theme', 'ERR_OPTION_RANGE', /'auto', 'light', 'dark'/, () => plot(planOf([]), undefined, { theme: 'pink' as 'dark' })],
  ['a scale of 0', 'ERR_OPTION_RANGE', /scale/, () => plot(planOf([]), undefined, { scale: 0 })],
  ['fonts that are none', 'ERR_OPTION_TYPE', /fonts/, () => plot(planOf([]), undefined, { fonts: 'a.ttf' as unknown as string[] })],
  ['a PNG without a file', 'ERR_OPTION_RANGE', /give its file/, () => plot(planOf([]), undefined, { format: 'png' })],
  ['an unknown need', 'ERR_NEED_UNKNOWN', /a needs b/, () => plot(planOf([{ name: 'a', needs: 'b' }]))],
  [
    'a cycle',
    'ERR_NEED_CYCLE',
    /a → b → a/,
    () =>
      plot(
        planOf([
          { name: 'a', needs: 'b' },
          { name: 'b', needs: 'a' },
        ]),
      ),
  ],
]
for (const [name, code, message, draw] of refusals)
  test(`F5 refused with a reason: ${name}`, async () => {
    const error: any = await draw().then(
      () => assert.unreachable(),
      (error: any) => error,
    )
    assert.is(error.code, code, error.stack)
    assert.match(error.message, message)
  })

test('F5 a notebook gets a picture and words; of a Flow that cannot be, the reason', () => {
  const shown = display(planOf([{ name: 'a', uses: Embed }]))
  assert.match(shown['image/svg+xml']!, /^<svg /)
  assert.is(shown['text/plain'], 'flow\n  gateway → a: Embed\n  a → gateway')
  const refused = display(planOf([{ name: 'a', needs: 'b' }]))
  assert.equal(Object.keys(refused), ['text/plain'])
  assert.match(refused['text/plain']!, /^flow: a needs b, which is not in the Flow/)
})

test.run()
