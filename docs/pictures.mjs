// Makes the pictures of the live page anew: light and dark, wide and on a phone, of a Flow that has something to do. It needs Chromium, and what `node build.mjs --quick` builds.
//   node docs/pictures.mjs [folder]
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { Flow } from '../dist/index.js'

const folder = process.argv[2] ?? fileURLToPath(new URL('.', import.meta.url))
/** How long the Flow is busy before it is looked at, in milliseconds. */
const BUSY = 9000
const SIZES = [
  ['', { width: 1200, height: 1440 }],
  ['phone-', { width: 390, height: 844 }],
]

/** Takes about so many milliseconds: half of them to three times as many. */
const takes = (milliseconds) => setTimeout(milliseconds * (0.5 + Math.random() ** 3 * 2.5))
const quietly = { onError: () => {} }

const elsewhere = await new Flow({ name: 'ranking' }).add({ name: 'rank', uses: () => takes(12) }).open({ serve: { protocol: 'grpc', ...quietly } })
const flow = await new Flow({ name: 'search' })
  .add({ name: 'split', uses: () => takes(2) })
  .add({ name: 'text', parallel: 3, concurrency: 2, needs: 'split', uses: () => takes(18) })
  .add({ name: 'image', parallel: 2, concurrency: 2, needs: 'split', uses: () => takes(26) })
  .add({ name: 'join', needs: ['text', 'image'], uses: () => {} })
  .add({
    name: 'index',
    concurrency: 4,
    async uses({ docs }) {
      await takes(6)
      if (docs.texts[0] === 'document 3') throw new Error('The index is read only')
    },
  })
  .add({ name: 'rank', external: true, host: elsewhere.addresses.grpc })
  .open({ serve: { protocol: ['grpc', 'http'], ui: true, ...quietly } })

let isBusy = true
let count = 0
const ask = async () => {
  while (isBusy) {
    const body = JSON.stringify({ data: [{ text: `document ${Math.floor(Math.random() * 40)}` }], execEndpoint: count++ % 3 === 0 ? '/index' : '/search' })
    await fetch(`${flow.addresses.http}/post`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).then((response) => response.text())
    await takes(30)
  }
}
const asking = Array.from({ length: 7 }, ask)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
try {
  for (const colorScheme of ['light', 'dark'])
    for (const [size, viewport] of SIZES) {
      const tab = await browser.newPage({ colorScheme, viewport, deviceScaleFactor: 1 })
      await tab.goto(`${flow.addresses.http}/ui`)
      await setTimeout(BUSY)
      // Held still, so that what is open stays where it is.
      await tab.locator('#pause').check()
      await tab.locator('#requests .row').nth(2).click()
      await tab.evaluate('scrollTo(0, 0)')
      await tab.screenshot({ path: join(folder, `live-${size}${colorScheme}.jpg`), type: 'jpeg', quality: 60 })
      // The same without loss, to be looked at.
      if (process.env.PNG) await tab.screenshot({ path: join(folder, `live-${size}${colorScheme}.png`) })
      await tab.close()
    }
} finally {
  isBusy = false
  await Promise.all(asking)
  await browser.close()
  await flow.close()
  await elsewhere.close()
}
