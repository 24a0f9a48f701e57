import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plot } from '../../lib/draw/index.js'
import { Folder } from '../support/folder.js'
import { shown } from './geometry.js'
import { planOf } from './plan.js'

const folder = new Folder()
const plan = planOf([
  { name: 'embed', parallel: 3 },
  { name: 'store', timeout: 500 },
])

/** What drawing a PNG needs and this machine lacks. */
const lacking = await plot(plan, folder.file('probe.png')).then(
  () => undefined,
  (error) => (error.code === 'ERR_DEPENDENCY' ? String(error.message) : undefined),
)
if (lacking !== undefined) console.log(`skipped: PNG, ${lacking}`)
const withPackage = lacking === undefined ? test : () => {}

interface Image {
  readonly width: number
  readonly height: number
  readonly bytes: Buffer
}

async function draw(name: string, options?: Parameters<typeof plot>[2]): Promise<Image & { svg: string }> {
  const file = folder.file(name)
  const svg = await plot(plan, file, options)
  const bytes = readFileSync(file)
  assert.equal([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  assert.is(bytes.subarray(12, 16).toString(), 'IHDR')
  return { svg, bytes, width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

withPackage('F5 a PNG has two pixels for one, or as many as it is told', async () => {
  const { svg, width, height } = await draw('flow.png')
  assert.equal([width, height], [shown(svg).width * 2, shown(svg).height * 2])
  assert.is((await draw('small.png', { scale: 1 })).width, shown(svg).width)
})

withPackage('F5 a PNG is light unless it is told to be dark', async () => {
  const [auto, light, dark] = [await draw('auto.png'), await draw('light.png', { theme: 'light' }), await draw('dark.png', { theme: 'dark' })]
  assert.ok(auto.bytes.equals(light.bytes))
  assert.not.ok(auto.bytes.equals(dark.bytes))
})

withPackage('F5 an SVG for both schemes is light to what knows no schemes', async () => {
  const { Resvg } = await import('@resvg/resvg-js')
  const [auto, light] = [await plot(plan), await plot(plan, undefined, { theme: 'light' })]
  assert.ok(new Resvg(auto).render().asPng().equals(new Resvg(light).render().asPng()))
})

withPackage('F5 a PNG without words is refused', async () => {
  const error = await plot(plan, folder.file('mute.png'), { fonts: [folder.file('none.ttf')] }).then(assert.unreachable, (error) => error)
  assert.is(error.code, 'ERR_DEPENDENCY')
  assert.match(error.message, /No font was found/)
})

withPackage('F5 a PNG too large to be seen is refused', async () => {
  const fork = planOf(Array.from({ length: 1000 }, () => ({ needs: 'gateway' })))
  const error: any = await plot(fork, folder.file('large.png')).then(
    () => assert.unreachable(),
    (error) => error,
  )
  assert.is(error.code, 'ERR_OPTION_RANGE')
  assert.match(error.message, /^scale must be \d\.\d+ or less for a picture of \d+ × \d+/)
})

test('F5 without the package, the error says what to install', async () => {
  // A copy of the code from where no package can be found.
  const { build } = await import('esbuild')
  const outfile = folder.file('alone/draw.mjs')
  await build({ entryPoints: ['lib/draw/index.ts'], bundle: true, format: 'esm', platform: 'neutral', target: 'es2022', packages: 'external', outfile })
  assert.not.match(resolve(outfile), 'node_modules')
  const alone: typeof import('../../lib/draw/index.js') = await import(pathToFileURL(outfile).href)
  const error: any = await alone.plot(plan, folder.file('alone/flow.png')).then(assert.unreachable, (error) => error)
  assert.is(error.code, 'ERR_DEPENDENCY')
  assert.is(error.dependency, '@resvg/resvg-js')
  assert.match(error.message, 'npm install @resvg/resvg-js')
  assert.is(error.cause.code, 'ERR_MODULE_NOT_FOUND')
  assert.match(await alone.plot(plan, folder.file('alone/flow.svg')), '</svg>')
})

test.run()
