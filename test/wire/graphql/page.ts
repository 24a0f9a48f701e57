import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/flow/flow.js'
import { inChromium } from '../../browser/support.js'
import { serve } from '../../support/graphql.js'

const page = inChromium(test)
const html = { method: 'GET', headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } }

// The page as it is published: from dist/, where the build has put its files.
async function published() {
  const { createGraphQL } = await import(new URL('../../../dist/wire/graphql/index.js', import.meta.url).href)
  const { Flow } = await import(new URL('../../../dist/index.js', import.meta.url).href)
  const flow = await new Flow()
    .add({
      name: 'find',
      uses: ({ docs }: any) => {
        for (const doc of docs) doc.matches.append({ text: doc.text.toUpperCase(), scores: { cosine: 0.5 } })
      },
    })
    .open()
  const server = createServer(createGraphQL(flow))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await flow.close()
    },
  }
}

test('R131: a browser gets the page, whose policy lets it load nothing from elsewhere', async () => {
  await using server = await published()
  const page = await fetch(server.url, html)
  assert.is(page.status, 200)
  assert.match(page.headers.get('content-type')!, 'text/html')
  const policy = page.headers.get('content-security-policy')!
  assert.match(policy, "default-src 'none'; script-src 'self';")
  assert.match(policy, "frame-ancestors 'none'")
  assert.not.match(policy, /https?:|\*/)
  const text = await page.text()
  assert.not.match(text, /https?:\/\//)
  for (const [, asset] of text.matchAll(/(?:src|href)="(\/[^"]*)"/g)) {
    const response = await fetch(new URL(asset!, server.url))
    assert.is(response.status, 200)
    assert.match(response.headers.get('content-type')!, /text\/(javascript|css)/)
    assert.ok((await response.arrayBuffer()).byteLength > 100_000)
  }
  assert.is((await fetch(`${server.url}?asset=../index.js`)).status, 404)
  assert.is((await fetch(`${server.url}?asset=constructor`)).status, 404)
  assert.is(await (await fetch(server.url, html)).text(), text)
})

test('R131: without its files the page says how to build them', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  const { status, text } = await server.send(html)
  assert.is(status, 200)
  assert.match(text, 'node build.mjs')
})

test('R131: the page can be switched off', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow, { graphiql: false })
  const { text } = await server.send(html)
  assert.not.match(text, '<html')
  assert.is((await server.send(html, '?asset=graphiql.js')).text.includes('<html'), false)
})

test('a link with an operation is the page to a browser, and an answer to a client', async () => {
  await using server = await published()
  const link = `${server.url}?query=${encodeURIComponent('{ __typename }')}`
  assert.match(await (await fetch(link, html)).text(), 'graphiql.js')
  assert.equal(await (await fetch(link, { headers: { accept: 'application/json' } })).json(), { data: { __typename: 'Query' } })
  assert.equal(await (await fetch(link)).json(), { data: { __typename: 'Query' } })
})

page('in Chromium, a link with an operation and its variables shows them, and runs nothing unasked', async (browser) => {
  await using server = await published()
  const tab = await browser.newPage()
  const sent: string[] = []
  tab.on('request', (request) => request.method() === 'POST' && sent.push(request.postData() ?? ''))
  const query = 'mutation { __typename }'
  await tab.goto(`${server.url}?query=${encodeURIComponent(query)}&variables=${encodeURIComponent('{"a":1}')}`)
  await tab.locator('.graphiql-execute-button').waitFor({ timeout: 20_000 })
  const shown = (editor: string): Promise<string> =>
    tab.evaluate((editor) => (document.querySelector(`${editor} .CodeMirror`) as any).CodeMirror.getValue(), editor)
  assert.is(await shown('.graphiql-query-editor'), query)
  assert.not.ok(sent.some((body) => body.includes(query)))
  await tab.locator('.graphiql-execute-button').click()
  await tab.locator('.result-window').getByText('"Mutation"', { exact: true }).waitFor({ timeout: 10_000 })
  assert.equal(JSON.parse(sent.find((body) => body.includes(query))!).variables, { a: 1 })
})

for (const colorScheme of ['light', 'dark'] as const)
  page(`T4: in Chromium, around GraphiQL is what is around the other pages, and it leads to them: ${colorScheme}`, async (browser) => {
    const { Flow } = await import(new URL('../../../dist/index.js', import.meta.url).href)
    await using flow = await new Flow({ graphql: { path: '/api/graphql' }, ui: true }).add({ name: 'find', uses: () => {} }).open()
    for (const width of [390, 1280]) {
      const tab = await browser.newPage({ colorScheme, viewport: { width, height: 800 } })
      await tab.goto(`${flow.addresses.http}/api/graphql`)
      await tab.locator('.graphiql-execute-button').waitFor({ timeout: 20_000 })
      const looks = (): Promise<string[]> =>
        tab.evaluate(() => {
          const [title, page] = [getComputedStyle(document.querySelector('h1')!), getComputedStyle(document.body)]
          return [title.fontSize, title.color, title.fontFamily, page.backgroundColor]
        })
      const here = await looks()
      const [head, box] = await tab.evaluate(() =>
        ['header', '.graphiql-container'].map((name) => document.querySelector(name)!.getBoundingClientRect().toJSON()),
      )
      assert.ok(box!.top >= head!.bottom - 1 && box!.bottom <= 801 && box!.height > 500, JSON.stringify([head, box]))
      if (process.env.SCREENSHOTS) await tab.screenshot({ path: `${process.env.SCREENSHOTS}/graphiql-${colorScheme}-${width}.png` })
      const links = await tab.locator('header a').evaluateAll((all) => all.map((one) => (one as HTMLAnchorElement).href))
      assert.equal(
        links.map((link) => new URL(link).pathname),
        ['/docs', '/ui'],
      )
      for (const link of links) assert.is((await fetch(link)).status, 200)
      await tab.goto(`${flow.addresses.http}/ui`)
      await tab.locator('#executors button').first().waitFor()
      assert.equal(await looks(), here)
      await tab.close()
    }
  })

page('R131: in Chromium the page runs a mutation and a subscription, and asks nobody but its server', async (browser) => {
  await using server = await published()
  const tab = await browser.newPage({ viewport: { width: 1280, height: 720 } })
  const asked: string[] = []
  const complaints: string[] = []
  tab.on('request', (request) => asked.push(request.url()))
  tab.on('pageerror', (error) => complaints.push(error.message))
  tab.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  await tab.goto(server.url)
  const run = tab.locator('.graphiql-execute-button')
  const result = tab.locator('.result-window')
  await run.waitFor({ timeout: 20_000 })

  await run.click()
  await result.getByText('"ABCD"', { exact: true }).waitFor({ timeout: 10_000 })

  await tab.evaluate(() => {
    const editor = (document.querySelector('.graphiql-query-editor .CodeMirror') as any).CodeMirror
    editor.setValue('subscription { docs(data: [{ text: "one" }, { text: "two" }], requestSize: 1, resultsInOrder: true) { docs { matches { text } } } }')
  })
  await run.click()
  await result.getByText('"TWO"', { exact: true }).waitFor({ timeout: 10_000 })
  // It is over, so the button runs again and does not stop.
  await tab.getByRole('button', { name: /execute query/i }).waitFor({ timeout: 10_000 })

  await tab.getByRole('button', { name: /documentation explorer/i }).click()
  await tab.getByText('Subscription', { exact: true }).first().waitFor({ timeout: 10_000 })
  if (process.env.SCREENSHOT) await tab.screenshot({ path: process.env.SCREENSHOT })

  const { host } = new URL(server.url)
  assert.equal(
    asked.filter((url) => !url.startsWith('data:') && new URL(url).host !== host),
    [],
  )
  assert.equal(complaints, [])
})

test.run()
