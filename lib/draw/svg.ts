import { folded } from './fold.js'
import { type Box, type Layout, layout, type Point, pathOf } from './layout.js'
import { xml } from './letters.js'
import { CHIP_HEIGHT, type Measured, measure, PADDING, type PlacedChip, STACK } from './measure.js'
import { type Card, cardText, describe, type Picture } from './picture.js'
import { styleOf, type Theme } from './style.js'

/** Where arrows run to. `'auto'`: to the right, in rows where that gets wide, unless the picture is read better from top to bottom. */
export type Direction = 'auto' | 'right' | 'down'

/** The width that a page has for a picture: a wider one is made smaller there, and hard to read. */
const PAGE = 1100
const RADIUS = 10
const HEAD = 7

/** The picture as SVG, by itself: no scripts, no fonts to load, no ids that could meet others on a page. */
export function svgOf(picture: Picture, theme: Theme, direction: Direction): string {
  const measured = picture.cards.map(measure)
  const { right, width, height, boxes, lines } = arrange(picture, measured, direction)
  const name = xml(picture.name)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" class="sluice" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${name}</title>`,
    `<desc>${xml(describe(picture).join('; '))}</desc>`,
    `<style>\n${styleOf(theme)}\n</style>`,
    ...picture.arrows.map(({ floating }, index) => arrowOf(lines[index]!, right, floating)),
    ...picture.cards.map((card, index) => (card.kind === 'executor' ? cardOf : pillOf)(card, measured[index]!, boxes[index]!)),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function arrange({ arrows }: Picture, measured: readonly Measured[], direction: Direction): Layout {
  const sizes = measured.map(({ size }) => size)
  if (direction === 'down') return layout(sizes, arrows, false)
  const right = layout(sizes, arrows, true)
  if (direction === 'right' || right.width <= PAGE) return right
  const rows = folded(sizes, arrows, PAGE)
  if (rows !== undefined) return rows
  const down = layout(sizes, arrows, false)
  return down.width < right.width ? down : right
}

function arrowOf(line: readonly Point[], right: boolean, floating: boolean): string {
  const end = line.at(-1)!
  // The line stops inside its head, which is as wide as the line only at the very end.
  const short = right ? { ...end, x: end.x - HEAD + 1 } : { ...end, y: end.y - HEAD + 1 }
  const { x, y } = end
  const head = right ? `M${x} ${y}l-${HEAD + 1} -4.5v9z` : `M${x} ${y}l-4.5 -${HEAD + 1}h9z`
  return `<path class="line${floating ? ' floating' : ''}" d="${pathOf([...line, short].toSpliced(-2, 1), right)}"/><path class="head" d="${head}"/>`
}

function cardOf(card: Card, { stack, name, nameY, origin, originY, chips }: Measured, { x, y, width, height }: Box): string {
  const dashes = card.floating ? ' floating' : ''
  const rect = (kind: string, off: number, grow: number): string =>
    `<rect class="${kind}${dashes}" x="${x + off - grow + 0.5}" y="${y + off - grow + 0.5}" width="${width + 2 * grow - 1}" height="${height + 2 * grow - 1}" rx="${RADIUS + grow}"/>`
  const parts = [`<g><title>${xml(cardText(card))}</title>`]
  for (let at = stack; at > 0; at--) parts.push(rect('back', at * STACK, 0))
  parts.push(rect(card.external ? 'card external' : 'card', 0, 0))
  if (card.external) parts.push(rect('ring', 0, -3), mark(x + width - PADDING - 13, y + PADDING))
  parts.push(`<text class="name" x="${x + PADDING}" y="${y + nameY}">${xml(name)}</text>`)
  if (origin !== undefined) parts.push(`<text class="origin" x="${x + PADDING}" y="${y + originY}">${xml(origin)}</text>`)
  return [...parts, ...chips.map((chip) => chipOf(chip, x, y)), '</g>'].join('\n')
}

function pillOf(card: Card, { name, nameY, chips }: Measured, { x, y, width, height }: Box): string {
  return [
    `<g><title>${xml(cardText(card))}</title>`,
    `<rect class="gateway" x="${x}" y="${y}" width="${width}" height="${height}" rx="${height / 2}"/>`,
    `<text class="name pill" x="${x + width / 2}" y="${y + nameY}">${xml(name)}</text>`,
    ...chips.map((chip) => chipOf(chip, x, y)),
    '</g>',
  ].join('\n')
}

function chipOf({ kind, text, width, x, y }: PlacedChip, left: number, top: number): string {
  const [from, above] = [left + x, top + y]
  return [
    `<rect class="on-${kind}" x="${from}" y="${above}" width="${width}" height="${CHIP_HEIGHT}" rx="${CHIP_HEIGHT / 2}"/>`,
    `<text class="chip of-${kind}" x="${from + width / 2}" y="${above + 12.7}">${xml(text)}</text>`,
  ].join('\n')
}

/** A globe: somewhere else. */
function mark(x: number, y: number): string {
  const [cx, cy] = [x + 6.5, y + 6.5]
  return `<path class="mark" d="M${x} ${cy}a6.5 6.5 0 1 0 13 0a6.5 6.5 0 1 0 -13 0h13M${cx} ${y}c-4.5 4 -4.5 9 0 13c4.5 -4 4.5 -9 0 -13"/>`
}
