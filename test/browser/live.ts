// The live page, as people see it: driven in Chromium.
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type Call, Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { until } from '../support/until.js'
import { inChromium } from './support.js'

const page = inChromium(test)

/** What nobody may take for markup. */
const HOSTILE = '<img src=x onerror="document.title=1">'

let door = deferred<void>()

async function* parts({ docs, endpoint }: Call): AsyncGenerator<{ id: string; text: string }[]> {
  if (endpoint === '/fail') throw new Error(HOSTILE)
  for (const piece of ['a', 'b']) yield docs.map(({ id, text }) => ({ id, text: `${text} ${piece}` }))
  if (endpoint === '/wait') await door.promise
  yield docs.map(({ id, text }) => ({ id, text: `${text} c` }))
}

async function shown(browser: Browser, flow: Flow<any>, options: object = {}) {
  const context = await browser.newContext(options)
  // What compilers add to functions that keep their names.
  await context.addInitScript('globalThis.__name = (named) => named')
  const tab = await context.newPage()
  const complaints: string[] = []
  tab.on('pageerror', (error) => complaints.push(error.message))
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  await tab.goto(`${flow.addresses.http}/ui`)
  return { tab, complaints, [Symbol.asyncDispose]: () => context.close() }
}

const make = (more: object = {}): Promise<Flow<any>> =>
  new Flow({ name: HOSTILE })
    .add({ name: 'first', uses: parts as never })
    .add({ name: 'second', parallel: 2, concurrency: 1, uses: () => {} })
    .open({ serve: { protocol: ['http', 'grpc'], ui: true, onError: () => {}, ...more } as never })

const post = (flow: Flow<any>, execEndpoint: string) =>
  fetch(`${flow.addresses.http}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: [{ text: HOSTILE }], execEndpoint }),
  }).then((response) => response.text())

const total = (tab: Page, name: string): Promise<string | null> => tab.locator('#totals div', { hasText: name }).locator('dd').textContent()
const cell = async (tab: Page, executor: string, at: number): Promise<string | null> =>
  tab.locator('#executors > tbody > tr', { hasText: executor }).first().locator('td').nth(at).textContent()

page('T4: the numbers are those of what was sent, requests that failed are told apart, and nothing in them is markup', async (browser) => {
  await using flow = await make({ ui: { documents: true } })
  await using there = await shown(browser, flow)
  const { tab, complaints } = there
  await tab.locator('#executors button').first().waitFor()
  await using client = new Client(flow.addresses.grpc!)
  for (let at = 0; at < 12; at++) await post(flow, '/go')
  await client.post('/go', ['x', 'y', 'z'], { requestSize: 1 }).drain()
  for (let at = 0; at < 2; at++) await post(flow, '/fail')
  await until(async () => (await total(tab, 'failed')) === '2')
  assert.equal(await Promise.all(['answered', 'failed', 'in flight'].map((name) => total(tab, name))), ['15', '2', '0'])
  assert.equal(await Promise.all([5, 6, 8].map((at) => cell(tab, 'first', at))), ['15', '2', '1/1'])
  assert.equal(await Promise.all([5, 6, 8].map((at) => cell(tab, 'second', at))), ['15', '0', '2/2'])
  await until(async () => (await tab.locator('#requests li').count()) === 17)
  await tab.locator('#failed').check()
  assert.is(await tab.locator('#requests li').count(), 2)
  const row = tab.locator('#requests .row').first()
  await row.focus()
  await tab.keyboard.press('Enter')
  assert.is(await row.getAttribute('aria-expanded'), 'true')
  assert.equal(await tab.locator('#requests .fall > span:first-child').allTextContents(), ['first'])
  assert.match((await tab.locator('#requests .more pre').textContent())!, HOSTILE)
  await tab.getByRole('button', { name: 'Documents' }).click()
  await until(async () => /"total": 1/.test((await tab.locator('#requests .more pre').last().textContent())!))
  assert.is(await tab.locator('h1').textContent(), HOSTILE)
  assert.is(await tab.locator('main img').count(), 0)
  assert.is(await tab.title(), `${HOSTILE} · sluice`)
  // Replicas, with their state and place, behind the name of their executor.
  await tab.locator('#executors button', { hasText: 'second' }).click()
  const replicas = tab.getByRole('table', { name: 'Replicas of second' }).locator('tbody tr')
  await until(async () => (await replicas.count()) === 2)
  assert.match((await replicas.first().textContent())!, /^0ok.*this process$/)
  assert.equal(complaints, [])
})

page('T4: an executor elsewhere has a row of what it says itself, and a line for each address', async (browser) => {
  await using far = await new Flow({ name: 'far' }).add({ name: 'encode', uses: () => {} }).open({ serve: { protocol: 'grpc' } })
  const token = 'a-token-of-the-live-page-0'
  await using near = await new Flow({ name: 'near' })
    .add({ name: 'there', external: true, host: far.addresses.grpc! })
    .add({ name: 'here', uses: () => {} })
    .open({ serve: { protocol: 'http', ui: true, token, onError: () => {} } })
  await using other = new Client(far.addresses.grpc!)
  await other.post('/', ['a', 'b', 'c'], { requestSize: 1 }).drain()
  await using there = await shown(browser, near)
  const { tab, complaints } = there
  await tab.locator('#token').fill(token)
  await tab.keyboard.press('Enter')
  const own = tab.locator('#executors tr.own', { hasText: 'there' })
  await until(async () => (await own.isVisible()) && (await own.locator('td').nth(5).textContent()) === '3')
  assert.is(await tab.locator('#executors tr.own', { hasText: '(here)' }).isVisible(), false)
  await tab.locator('#executors button', { hasText: 'there' }).click()
  const said = tab.getByRole('table', { name: 'Replicas of there' }).locator('tbody tr').nth(1)
  await until(async () => /3 done/.test((await said.textContent()) ?? ''))
  assert.match((await said.textContent())!, `itself at ${far.addresses.grpc}: ready · 0 in flight · 0 waiting`)
  const [contrast, text] = await tab.evaluate(weakest, 'body')
  assert.ok(contrast >= 4.5, `${text}: ${contrast.toFixed(2)}`)
  if (process.env.SCREENSHOTS) await tab.screenshot({ path: `${process.env.SCREENSHOTS}/elsewhere.png`, fullPage: true })
  // The door was closed first, which the browser says on its console.
  assert.ok(
    complaints.every((complaint) => /401/.test(complaint)),
    complaints.join(),
  )
})

page('T4: below an executor elsewhere that tells no numbers, it is said whose those are', async (browser) => {
  await using far = await new Flow({ name: 'far' }).add({ name: 'encode', uses: () => {} }).open({ serve: { protocol: 'grpc', noDebugEndpoints: true } })
  await using near = await new Flow({ name: 'near' })
    .add({ name: 'there', external: true, host: far.addresses.grpc! })
    .add({ name: 'here', uses: () => {} })
    .open({ serve: { protocol: 'http', ui: true, onError: () => {} } })
  await using there = await shown(browser, near)
  const { tab, complaints } = there
  await tab.locator('#executors button').first().waitFor()
  await post(near, '/go')
  const mute = tab.locator('#executors tr.mute').filter({ visible: true })
  await until(async () => (await mute.count()) === 1 && (await cell(tab, 'there', 5)) === '1')
  assert.match((await mute.textContent())!, /^↳ itself \(there\)/)
  const [contrast, text] = await tab.evaluate(weakest, 'body')
  assert.ok(contrast >= 4.5, `${text}: ${contrast.toFixed(2)}`)
  assert.equal(complaints, [])
})

page('T4: the form sends documents, shows partial answers as they come, and stops', async (browser) => {
  await using flow = await make()
  await using there = await shown(browser, flow)
  const { tab, complaints } = there
  door = deferred()
  await tab.locator('#endpoint').fill('/wait')
  await tab.locator('#docs').fill(`one\n{"text": "two"}`)
  await tab.locator('#send').click()
  await until(async () => (await tab.locator('#answers li').count()) === 2)
  assert.equal(await tab.locator('#answers li > pre').allTextContents(), ['one a\ntwo a', 'one b\ntwo b'])
  // While it is under way, its executor has it.
  await until(async () => (await cell(tab, 'first', 0)) === '1')
  door.resolve()
  await until(async () => /^Done: 4 messages/.test((await tab.locator('#sent').textContent())!))
  assert.match((await tab.locator('#answers li').last().textContent())!, /^answer 2 documents/)
  door = deferred()
  await tab.locator('#send').click()
  await until(async () => (await tab.locator('#answers li').count()) === 2)
  await tab.locator('#stop').click()
  await until(async () => /^Stopped after 2/.test((await tab.locator('#sent').textContent())!))
  door.resolve()
  await tab.locator('#docs').fill('{"text": ')
  await tab.locator('#send').click()
  assert.match((await tab.locator('#sent').textContent())!, 'This is no JSON')
  await tab.locator('#docs').fill('x')
  await tab.locator('#endpoint').fill('/fail')
  await tab.locator('#send').click()
  await until(async () => /^Failed/.test((await tab.locator('#sent').textContent())!))
  assert.match((await tab.locator('#answers li').textContent())!, HOSTILE)
  assert.equal(complaints, [])
})

page('T4: who has no token is asked for it, and looks with it', async (browser) => {
  const token = 'a-token-of-the-live-page-0'
  await using flow = await make({ token })
  await using there = await shown(browser, flow)
  const { tab } = there
  await tab.locator('#door').waitFor()
  assert.is(await tab.locator('#all').isVisible(), false)
  await tab.locator('#token').fill('no-such-token-at-all')
  await tab.keyboard.press('Enter')
  await until(async () => /not let in/.test((await tab.locator('#denied').textContent())!))
  await tab.locator('#token').fill(token)
  await tab.keyboard.press('Enter')
  await tab.locator('#executors button').first().waitFor()
  assert.is(await tab.locator('#door').isVisible(), false)
  // The form asks with it, too.
  await tab.locator('#endpoint').fill('/go')
  await tab.locator('#send').click()
  await until(async () => /^Done/.test((await tab.locator('#sent').textContent())!))
})

/** What everybody can read: each text on what is behind it, as WCAG counts it. */
function weakest(within: string): [number, string] {
  const numbers = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number)
  const light = (color: string): number => {
    const [r, g, b] = numbers(color).map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  }
  let worst: [number, string] = [21, '']
  for (const node of document.querySelectorAll<HTMLElement>('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent!.trim() !== '')
    if (!own || !node.closest(within) || node.closest('[disabled], title') || !node.checkVisibility()) continue
    const isDrawn = node.closest('svg') !== null
    let paper: Element | null = isDrawn ? node.parentElement!.querySelector('rect') : node
    while (!isDrawn && paper !== null && /, 0\)$/.test(getComputedStyle(paper).backgroundColor)) paper = paper.parentElement
    const [ink, sheet] = [getComputedStyle(node), getComputedStyle(paper ?? document.body)]
    const [a, b] = [light(isDrawn ? ink.fill : ink.color), light(isDrawn ? sheet.fill : sheet.backgroundColor)]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (contrast < worst[0]) worst = [contrast, node.textContent!.slice(0, 30)]
  }
  return worst
}

for (const colorScheme of ['light', 'dark'] as const)
  page(`T4: ${colorScheme}, on a phone and wide: everybody can read it, nothing sticks out, all that is asked has a label`, async (browser) => {
    await using flow = await make()
    for (const width of [390, 1280]) {
      await using there = await shown(browser, flow, { colorScheme, viewport: { width, height: 800 } })
      const { tab, complaints } = there
      await tab.locator('#executors button').first().waitFor()
      await post(flow, '/go')
      await post(flow, '/fail')
      await until(async () => (await tab.locator('#requests li').count()) >= 2)
      const [contrast, text] = await tab.evaluate(weakest, 'body')
      assert.ok(contrast >= 4.5, `${text}: ${contrast.toFixed(2)}`)
      const [page, paper] = await tab.evaluate(() => [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor])
      assert.ok(page <= width, `${page} > ${width}`)
      assert.is(paper, colorScheme === 'dark' ? 'rgb(13, 17, 23)' : 'rgb(246, 247, 249)')
      const nameless = await tab.evaluate(() =>
        [...document.querySelectorAll<HTMLInputElement>('input, textarea')].filter(({ labels }) => labels?.length !== 1).map(({ id }) => id),
      )
      assert.equal(nameless, [])
      assert.equal(complaints, [])
    }
  })

/** As many as one finds in a large company: five lines of twelve, with some arrows between them. */
async function sixty(): Promise<Flow<any>> {
  let flow = new Flow({ name: 'sixty' }) as Flow<any>
  for (let at = 0; at < 60; at++) {
    const needs = at < 5 ? 'gateway' : at % 5 === 0 && at > 5 ? [`step${at - 5}`, `step${at - 4}`] : `step${at - 5}`
    flow = flow.add({
      name: `step${at}`,
      needs,
      uses: ({ endpoint }: Call) => (endpoint === '/fail' && at === 30 ? Promise.reject(new Error('no')) : undefined),
    })
  }
  return flow.open({ serve: { protocol: 'http', ui: true, onError: () => {} } })
}

for (const colorScheme of ['light', 'dark'] as const)
  for (const width of [390, 1440])
    page(`T4: a graph of 60 executors can be read: ${colorScheme}, ${width} pixels wide`, async (browser) => {
      const flow = await sixty()
      try {
        await using there = await shown(browser, flow, { colorScheme, viewport: { width, height: 900 } })
        const { tab, complaints } = there
        await tab.locator('#picture svg').waitFor()
        await post(flow, '/go')
        await post(flow, '/fail')
        await until(async () => (await cell(tab, 'step59', 5)) === '1')
        if (process.env.SCREENSHOTS) {
          await tab.screenshot({ path: `${process.env.SCREENSHOTS}/sixty-${colorScheme}-${width}.png` })
          await tab.screenshot({ path: `${process.env.SCREENSHOTS}/sixty-${colorScheme}-${width}-all.png`, fullPage: true })
        }
        const [contrast, text] = await tab.evaluate(weakest, '#picture svg')
        assert.ok(contrast >= 4.5, `${text}: ${contrast.toFixed(2)}`)
        // Nobody reads less than 9 pixels.
        const letters = await tab.evaluate(() => {
          const svg = document.querySelector<SVGSVGElement>('#picture svg')!
          const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width
          return Math.min(...[...svg.querySelectorAll('text')].map((text) => Number.parseFloat(getComputedStyle(text).fontSize) * scale))
        })
        assert.ok(letters >= 9, `${letters.toFixed(1)} pixels`)
        assert.ok((await tab.evaluate(() => document.documentElement.scrollWidth)) <= width, 'the page itself stays as wide as the screen')
        assert.equal(complaints, [])
      } finally {
        await flow.close()
      }
    })

page('T4: by keyboard alone: to the executors, their replicas, the picture, a request, and the form', async (browser) => {
  const flow = await sixty()
  try {
    await using there = await shown(browser, flow, { viewport: { width: 1280, height: 900 } })
    const { tab, complaints } = there
    await tab.locator('#executors button').first().waitFor()
    const focused = (): Promise<string> =>
      tab.evaluate(() => {
        const { id, tagName, textContent, ariaLabel } = document.activeElement as HTMLElement
        return id || ariaLabel || (tagName === 'BODY' ? '' : textContent!)
      })
    const to = async (wanted: string | RegExp): Promise<void> => {
      for (let step = 0; step < 120; step++) {
        await tab.keyboard.press('Tab')
        const now = await focused()
        if (typeof wanted === 'string' ? now === wanted : wanted.test(now)) return
      }
      assert.unreachable(`nothing leads to ${wanted}`)
    }
    await tab.keyboard.press('Tab')
    assert.is(await focused(), 'To the executors')
    await tab.keyboard.press('Enter')
    assert.ok(await tab.evaluate(() => document.querySelector('#executors')!.getBoundingClientRect().top < innerHeight), 'the link leads there')
    await to('step3')
    await tab.keyboard.press('Enter')
    await tab.getByRole('table', { name: 'Replicas of step3', exact: true }).locator('tbody tr').waitFor()
    // A ring shows where one is.
    assert.is.not(await tab.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle), 'none')
    await to('endpoint')
    await tab.keyboard.press('Control+A')
    await tab.keyboard.type('/go')
    await to('send')
    await tab.keyboard.press('Enter')
    await until(async () => /^Done/.test((await tab.locator('#sent').textContent())!))
    await until(async () => (await tab.locator('#requests li').count()) === 1)
    await tab.keyboard.press('Shift+Tab')
    await tab.locator('#pause').focus()
    await to(/\/go/)
    await tab.keyboard.press('Enter')
    assert.is(await tab.locator('#requests .fall .track').count(), 60)
    await tab.locator('.skip').focus()
    await to('picture')
    const before = await tab.evaluate(() => document.querySelector('#picture')!.scrollLeft + document.querySelector('#picture')!.scrollTop)
    for (const key of ['ArrowRight', 'ArrowDown']) for (let step = 0; step < 5; step++) await tab.keyboard.press(key)
    await until(async () => (await tab.evaluate(() => document.querySelector('#picture')!.scrollLeft + document.querySelector('#picture')!.scrollTop)) > before)
    assert.equal(complaints, [])
  } finally {
    await flow.close()
  }
})

page('T4: a graph of 60 executors is drawn: no card on another, no text beyond its card', async (browser) => {
  const flow = await sixty()
  try {
    await using there = await shown(browser, flow, { viewport: { width: 1280, height: 900 } })
    const { tab, complaints } = there
    await tab.locator('#picture svg').waitFor()
    await post(flow, '/go')
    await until(async () => (await cell(tab, 'step59', 5)) === '1')
    const { cards, beyond } = await tab.evaluate(() => {
      const groups = [...document.querySelectorAll<SVGGElement>('#picture g[data-at]')]
      const boxOf = (node: Element) => node.getBoundingClientRect()
      return {
        cards: groups.map((group) => boxOf(group.querySelector('rect')!)).map(({ x, y, width, height }) => [x, y, width, height]),
        beyond: groups.flatMap((group) =>
          [...group.querySelectorAll('text')].filter((text) => boxOf(text).right > boxOf(group.querySelector('rect')!).right).map((text) => text.textContent),
        ),
      }
    })
    assert.is(cards.length, 60)
    assert.equal(beyond, [])
    for (const [at, [x, y, w, h]] of cards.entries() as any)
      for (const [left, top] of cards.slice(at + 1) as any)
        assert.ok(left >= x + w || left + w <= x || top >= y + h || top + h <= y, `card ${at} is under another`)
    await tab.locator('#fit').check()
    const [svg, area] = await tab.evaluate(() => [document.querySelector('#picture svg')!.getBoundingClientRect().height, innerHeight])
    assert.ok(svg! <= area!, 'all of it at once')
    assert.equal(complaints, [])
  } finally {
    await flow.close()
  }
})

page('T4: a page that nobody looks at any more is told nothing', async (browser) => {
  await using flow = await make()
  const { channel } = await import('node:diagnostics_channel')
  const isHeard = (): boolean => channel('tracing:sluice.executor:asyncEnd').hasSubscribers
  const { tab } = await shown(browser, flow)
  await tab.locator('#executors button').first().waitFor()
  assert.is(isHeard(), true)
  await tab.close()
  await until(() => !isHeard())
})

test.run()
