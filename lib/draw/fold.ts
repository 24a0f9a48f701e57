import { layersOf } from './layers.js'
import { type Box, EDGE, type Layout, layout, type Point, type Size } from './layout.js'
import type { Arrow } from './picture.js'

/** Between two rows: what goes on from one to the next runs in its midst. */
const BETWEEN_ROWS = 40
/** How far an arrow goes beyond the cards before it turns. */
const TURN = 14
/** How far rows behind the first are moved in, for the arrow that comes from the one before. */
const INDENT = 24
/** How much wider rows get in each try to have as few of them, about as long as each other. */
const WIDER = 1.08

/**
 * What runs to the right, in rows, as one reads. A row ends where one arrow alone goes on, from a card to one in the next layer.
 * @param room how wide a row may be
 * @returns undefined where it needs no rows, or has no places where they could end
 */
export function folded(sizes: readonly Size[], arrows: readonly Arrow[], room: number): Layout | undefined {
  const blocks = blocksOf(sizes.length, arrows)
  const inner = room - INDENT - TURN
  const known = new Map<string, Row>()
  const row = (from: number, to: number): Row => {
    const name = `${from} ${to}`
    let found = known.get(name)
    if (found === undefined) known.set(name, (found = rowOf(sizes, arrows, blocks.slice(from, to).flat())))
    return found
  }
  const rows = rowsIn(blocks.length, inner, row)
  if (rows === undefined || rows.length < 2) return undefined
  // The same number of rows, and no long one above a short one.
  const total = rows.reduce((sum, { layout }) => sum + layout.width, 0)
  for (let width = total / rows.length; width < inner; width *= WIDER) {
    const even = rowsIn(blocks.length, width, row)
    if (even?.length === rows.length) return stacked(arrows, even)
  }
  return stacked(arrows, rows)
}

/** Cards that stay together, in the order in which they come. */
function blocksOf(size: number, arrows: readonly Arrow[]): number[][] {
  const { layerOf } = layersOf(size, arrows)
  const last = Math.max(...layerOf)
  const ends = new Set<number>()
  for (let layer = 1; layer <= last; layer++) {
    const over = arrows.filter(({ from, to }) => layerOf[from]! < layer && layerOf[to]! >= layer)
    if (over.length === 1 && layerOf[over[0]!.from] === layer - 1 && layerOf[over[0]!.to] === layer) ends.add(layer)
  }
  const blocks: number[][] = []
  for (let layer = 0; layer <= last; layer++) {
    if (layer === 0 || ends.has(layer)) blocks.push([])
    for (let card = 0; card < size; card++) if (layerOf[card] === layer) blocks.at(-1)!.push(card)
  }
  return blocks
}

interface Row {
  readonly cards: readonly number[]
  /** Of the picture, which stand in this row alone. */
  readonly arrows: readonly number[]
  readonly layout: Layout
}

function rowOf(sizes: readonly Size[], arrows: readonly Arrow[], members: readonly number[]): Row {
  // In the order of the picture: what a card needs comes before it.
  const cards = members.toSorted((one, other) => one - other)
  const at = new Map(cards.map((card, index) => [card, index]))
  const own = arrows.flatMap(({ from, to }, index) => (at.has(from) && at.has(to) ? [index] : []))
  const inside = own.map((index) => ({ ...arrows[index]!, from: at.get(arrows[index]!.from)!, to: at.get(arrows[index]!.to)! }))
  const found = layout(
    cards.map((card) => sizes[card]!),
    inside,
    true,
  )
  return { cards, arrows: own, layout: found }
}

/** As many blocks in a row as there is room for. Undefined, where one alone has not enough. */
function rowsIn(blocks: number, room: number, row: (from: number, to: number) => Row): Row[] | undefined {
  const rows: Row[] = []
  for (let from = 0; from < blocks; ) {
    let to = from + 1
    if (row(from, to).layout.width > room) return undefined
    while (to < blocks && row(from, to + 1).layout.width <= room) to++
    rows.push(row(from, to))
    from = to
  }
  return rows
}

/** One row below the other, and what goes on between them. */
function stacked(arrows: readonly Arrow[], rows: readonly Row[]): Layout {
  const boxes: Box[] = []
  const lines: (readonly Point[])[] = []
  const ends: number[] = []
  let top = 0
  for (const [at, { cards, arrows: own, layout }] of rows.entries()) {
    const left = at === 0 ? 0 : INDENT
    for (const [index, card] of cards.entries()) {
      const box = layout.boxes[index]!
      boxes[card] = { ...box, x: box.x + left, y: box.y + top }
    }
    for (const [index, arrow] of own.entries()) lines[arrow] = layout.lines[index]!.map(({ x, y }) => ({ x: x + left, y: y + top }))
    top += layout.height - 2 * EDGE + BETWEEN_ROWS
    ends.push(top - BETWEEN_ROWS / 2 + EDGE)
  }
  const rowAt = new Map(rows.flatMap(({ cards }, at) => cards.map((card): [number, number] => [card, at])))
  for (const [index, { from, to }] of arrows.entries()) {
    if (lines[index] !== undefined) continue
    const at = rowAt.get(from)!
    const [{ x, width, ...source }, target] = [boxes[from]!, boxes[to]!]
    const [start, end] = [source.y + source.height / 2, target.y + target.height / 2]
    const right = rows[at]!.layout.width - EDGE + TURN + (at === 0 ? 0 : INDENT)
    lines[index] = [
      { x: x + width, y: start },
      { x: right, y: start },
      { x: right, y: ends[at]! },
      { x: EDGE, y: ends[at]! },
      { x: EDGE, y: end },
      { x: target.x, y: end },
    ]
  }
  const width = Math.max(...rows.map(({ layout }, at) => layout.width + (at === 0 ? 0 : INDENT) + (at === rows.length - 1 ? 0 : TURN)))
  return { right: true, width, height: top - BETWEEN_ROWS + 2 * EDGE, boxes, lines }
}
