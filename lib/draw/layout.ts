import { align } from './align.js'
import { layersOf } from './layers.js'
import { order } from './order.js'
import type { Arrow } from './picture.js'
import { straighten } from './straighten.js'

/** How large a card is, and how far what belongs to it reaches beyond its right and lower side. Arrows end at the middles of the card's own sides. */
export interface Size {
  readonly width: number
  readonly height: number
  readonly right: number
  readonly below: number
  /** Where arrows run to the right, it is made as wide as the widest in its layer. */
  readonly grows: boolean
}

export interface Box extends Size {
  readonly x: number
  readonly y: number
}

/** How far something reaches to both sides of its middle, and how near the next beside it may come. */
interface Extent {
  readonly before: number
  readonly after: number
  readonly margin: number
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** Where everything stands. `right`: arrows run to the right, else down. */
export interface Layout {
  readonly right: boolean
  readonly width: number
  readonly height: number
  readonly boxes: readonly Box[]
  /** By arrow: from point to point, straight on where it can, in an S where it goes aside. */
  readonly lines: readonly (readonly Point[])[]
}

/** Around everything. */
export const EDGE = 16
const BETWEEN_CARDS = 26
const BETWEEN_LINES = 14

/**
 * Cards stand in layers, arrows bend only between layers and run straight through them, at a distance from cards: so no arrow ever crosses a card.
 */
export function layout(given: readonly Size[], arrows: readonly Arrow[], right: boolean): Layout {
  const found = layersOf(given.length, arrows)
  order(found)
  const { layers, layerOf, ways } = found
  const widths = layers.map((layer) => Math.max(0, ...layer.map((node) => (given[node]?.grows ? given[node].width : 0))))
  const sizes = given.map((size, node) => (right && size.grows ? { ...size, width: widths[layerOf[node]!]! } : size))
  const isCard = (node: number): boolean => node < sizes.length
  const long = ({ width, height, right: beside, below }: Size): number => (right ? width + beside : height + below)

  const extents = layerOf.map((_, node): Extent => {
    if (!isCard(node)) return { before: 0, after: 0, margin: BETWEEN_LINES }
    const { width, height, right: beside, below } = sizes[node]!
    return right
      ? { before: height / 2, after: height / 2 + below, margin: BETWEEN_CARDS }
      : { before: width / 2, after: width / 2 + beside, margin: BETWEEN_CARDS }
  })
  const [leaving, coming] = [given.map(() => 0), given.map(() => 0)]
  for (const { from, to } of arrows) {
    leaving[from]!++
    coming[to]!++
  }
  const isAcross = ({ from, to }: Arrow): boolean => leaving[from]! > 1 && coming[to]! > 1
  const pulls = new Map<string, { a: number; b: number; weight: number }>()
  for (const [index, way] of ways.entries())
    for (let i = 1; i < way.length; i++) {
      const [a, b] = [way[i - 1]!, way[i]!]
      // What leads from one line to another leaves both as they are.
      const weight = arrows[index]!.floating ? 0.001 : isAcross(arrows[index]!) ? 0.05 : isCard(a) && isCard(b) ? 3 : isCard(a) || isCard(b) ? 1 : 8
      pulls.set(`${a} ${b}`, { a, b, weight: Math.max(weight, pulls.get(`${a} ${b}`)?.weight ?? 0) })
    }
  const gaps = layers.map((layer) => layer.map((node, at) => (at === 0 ? 0 : distance(extents[layer[at - 1]!]!, extents[node]!))))
  const middles = align(layers, gaps, [...pulls.values()]).map(Math.round)
  straighten(found, sizes.length, middles, gaps)
  const low = Math.min(...middles.map((middle, node) => middle - extents[node]!.before))
  const high = Math.max(...middles.map((middle, node) => middle + extents[node]!.after))
  const cross = middles.map((middle) => middle - low + EDGE)

  // Bands of layers, and the gaps between them: the further arrows go aside, the more room they get to do so gently.
  const steepest = layers.map(() => 0)
  for (const { a, b } of pulls.values()) steepest[layerOf[a]!] = Math.max(steepest[layerOf[a]!]!, Math.abs(cross[a]! - cross[b]!))
  const bands: { start: number; end: number }[] = []
  let along = EDGE
  for (const [at, layer] of layers.entries()) {
    const depth = Math.max(0, ...layer.filter(isCard).map((node) => long(sizes[node]!)))
    bands.push({ start: along, end: along + depth })
    along += depth + Math.round(Math.min(right ? 110 : 90, (right ? 42 : 40) + steepest[at]! * 0.16))
  }
  const length = bands.at(-1)!.end + EDGE

  const boxes = sizes.map((size, node): Box => {
    const { start } = bands[layerOf[node]!]!
    const side = cross[node]! - extents[node]!.before
    return right ? { ...size, x: start, y: side } : { ...size, x: side, y: start }
  })
  const lines = ways.map((way) => {
    const points: Point[] = []
    const to = (node: number, place: number): void => {
      const point = right ? { x: place, y: cross[node]! } : { x: cross[node]!, y: place }
      const last = points.at(-1)
      if (last?.x !== point.x || last.y !== point.y) points.push(point)
    }
    for (const [i, node] of way.entries()) {
      const { start, end } = bands[layerOf[node]!]!
      to(node, i > 0 ? start : start + (right ? sizes[node]!.width : sizes[node]!.height))
      if (i < way.length - 1) to(node, end)
    }
    return points
  })
  const across = high - low + 2 * EDGE
  return { right, width: right ? length : across, height: right ? across : length, boxes, lines }
}

function distance(left: Extent, right: Extent): number {
  return left.after + Math.max(left.margin, right.margin) + right.before
}

/** The way of an arrow as SVG wants it. */
export function pathOf(line: readonly Point[], right: boolean): string {
  // One that goes straight down is on its way to the next row.
  if (right && line.some(({ x, y }, at) => at > 0 && line[at - 1]!.x === x && line[at - 1]!.y !== y)) return cornered(line)
  let from = line[0]!
  let path = `M${from.x} ${from.y}`
  for (const to of line.slice(1)) {
    const straight = right ? from.y === to.y : from.x === to.x
    const middle = right ? (from.x + to.x) / 2 : (from.y + to.y) / 2
    if (straight) path += right ? `H${to.x}` : `V${to.y}`
    else path += right ? `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}` : `C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${to.y}`
    from = to
  }
  return path.replace(/(?:H[\d.]+)+(?=H)|(?:V[\d.]+)+(?=V)/g, '')
}

/** How round corners are. */
const ROUND = 8

/** From point to point, each beside or below the one before, round at the corners. */
function cornered(line: readonly Point[]): string {
  let path = `M${line[0]!.x} ${line[0]!.y}`
  for (const [at, point] of line.entries()) {
    const [from, to] = [line[at - 1], line[at + 1]]
    if (from === undefined) continue
    if (to === undefined) path += `H${point.x}`
    else {
      const [before, behind] = [near(point, from), near(point, to)]
      path += before.y === from.y ? `H${before.x}` : `V${before.y}`
      path += `C${point.x} ${point.y} ${point.x} ${point.y} ${behind.x} ${behind.y}`
    }
  }
  return path
}

/** As far from a corner as it is round, on the way to another point. */
function near({ x, y }: Point, to: Point): Point {
  const step = (own: number, other: number): number => own + Math.sign(other - own) * Math.min(ROUND, Math.abs(other - own) / 2)
  return { x: step(x, to.x), y: step(y, to.y) }
}
