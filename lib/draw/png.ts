import { missing } from '../base/dependency.js'
import { DependencyError, optionRange } from '../base/errors.js'
import { packageOfNode } from '../base/node.js'
import { pageOf } from './style.js'

const RESVG = '@resvg/resvg-js'
/** Four bytes each: more is slow to make and more than most viewers show. */
const PIXELS = 64e6
const PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text x="4" y="14" font-family="sans-serif" font-size="12">Flow</text></svg>'

/**
 * Renders an SVG with resvg and the fonts of the machine, or those that are given.
 * @throws DependencyError (`ERR_DEPENDENCY`) without the package, or without any font: a picture without words tells nothing;
 * RangeError (`ERR_OPTION_RANGE`) for more than 64 million pixels
 */
export async function pngOf(svg: string, theme: 'light' | 'dark', scale: number, fonts: readonly string[]): Promise<Uint8Array> {
  const { Resvg } = await packageOfNode(RESVG).catch((cause) => {
    throw missing(RESVG, 'To draw a PNG (an .svg needs nothing)', cause)
  })
  const font = { loadSystemFonts: fonts.length === 0, fontFiles: [...fonts] }
  if (new Resvg(PROBE, { font }).innerBBox() === undefined)
    throw new DependencyError(
      'fonts',
      `No font was found to draw a PNG with. Install one, or name a .ttf file in fonts: { fonts: ['Inter.ttf'] }. An .svg needs none`,
    )
  const drawing = new Resvg(svg, { font, background: pageOf(theme), fitTo: { mode: 'zoom', value: scale } })
  const most = Math.sqrt(PIXELS / (drawing.width * drawing.height))
  if (scale > most) {
    const size = `${Math.round(drawing.width)} × ${Math.round(drawing.height)}`
    throw optionRange('scale', `${Math.floor(most * 100) / 100} or less for a picture of ${size}; an .svg has no such bound`, scale)
  }
  return drawing.render().asPng()
}
