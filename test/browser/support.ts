import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BuildOptions, build, type Metafile } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { within } from '../support/within.js'

export const CHROMIUM = '/usr/bin/chromium'
export const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']

interface Suite {
  (name: string, story: () => Promise<void>): void
  before(hook: () => Promise<void>): void
  after(hook: () => Promise<void>): void
}

/** A Chromium for the tests of a suite, which run only where there is one. */
export function inChromium(test: Suite): (name: string, story: (browser: Browser) => Promise<void>) => void {
  if (!existsSync(CHROMIUM)) {
    console.log(`skipped: no Chromium at ${CHROMIUM}`)
    return () => {}
  }
  let browser: Browser
  test.before(async () => {
    const { chromium } = await import('playwright-core')
    browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET })
  })
  test.after(() => within(10_000, browser.close()))
  return (name, story) => test(name, () => story(browser))
}

/** What a page loads: made by a bundler that knows nothing of Node. */
export async function bundle(contents: string, options: BuildOptions = {}): Promise<{ files: Map<string, Uint8Array>; metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: process.cwd(), sourcefile: 'main' },
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    outdir: '.',
    entryNames: 'main',
    chunkNames: '[name]-[hash]',
    logLevel: 'silent',
    ...options,
  })
  return { files: new Map(outputFiles!.map(({ path, contents }) => [path.slice(path.lastIndexOf('/') + 1), contents])), metafile: metafile! }
}

/** An empty page, and scripts that pages of any origin may load. Counts what it hands out. */
export async function site(files: ReadonlyMap<string, Uint8Array>) {
  const loaded: string[] = []
  const server = createServer(({ url = '/' }, response) => {
    const script = files.get(url.slice(1))
    if (script === undefined) return void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title>')
    loaded.push(url.slice(1))
    response.writeHead(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' }).end(script)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loaded,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A page at an address with `sluice` in it, whatever it allows itself, and what it complains of. */
export async function pageAt(browser: Browser, address: string, script: string): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ bypassCSP: true })
  // What compilers add to functions that keep their names.
  await context.addInitScript('globalThis.__name = (named) => named')
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(address)
  await page.evaluate(`import(${JSON.stringify(script)}).then((module) => void (globalThis.sluice = module))`)
  return { page, complaints }
}
