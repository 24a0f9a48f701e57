/** What an SVG shows, read from its text. */
export interface Shown {
  readonly width: number
  readonly height: number
  /** Cards and pills with all that lies behind them and below, in the order of the picture. */
  readonly boxes: readonly Rect[]
  /** Points along each arrow, close to each other. */
  readonly arrows: readonly (readonly [x: number, y: number][])[]
}

export interface Rect {
  readonly title: string
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

export function shown(svg: string): Shown {
  const [, width, height] = /^<svg [^>]*width="([\d.]+)" height="([\d.]+)"/.exec(svg)!.map(Number)
  const boxes = [...svg.matchAll(/<g><title>(.*?)<\/title>([\s\S]*?)<\/g>/g)].map(([, title, body]): Rect => {
    const rects = [...body!.matchAll(/<rect [^>]*x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)].map((found) => found.slice(1).map(Number))
    return {
      title: title!,
      left: Math.min(...rects.map(([x]) => x!)),
      top: Math.min(...rects.map(([, y]) => y!)),
      right: Math.max(...rects.map(([x, , w]) => x! + w!)),
      bottom: Math.max(...rects.map(([, y, , h]) => y! + h!)),
    }
  })
  const arrows = [...svg.matchAll(/<path class="line[^"]*" d="([^"]+)"\/><path class="head" d="M([\d.]+) ([\d.]+)l/g)].map(([, d, x, y]) => {
    return [...walk(d!), [Number(x), Number(y)] as [number, number]]
  })
  return { width: width!, height: height!, boxes, arrows }
}

const STEPS = 40
/** Pixels between cards, at least. */
const APART = 24

function walk(path: string): [number, number][] {
  const points: [number, number][] = []
  let [x, y] = [0, 0]
  for (const [, command, rest] of path.matchAll(/([MHVC])([^MHVC]*)/g)) {
    const numbers = rest!.trim().split(' ').map(Number)
    if (numbers.some(Number.isNaN)) throw new Error(`Not a path: ${path}`)
    const [to, ctrl1, ctrl2] =
      command === 'H'
        ? [[numbers[0]!, y]]
        : command === 'V'
          ? [[x, numbers[0]!]]
          : command === 'M'
            ? [numbers]
            : [numbers.slice(4), numbers.slice(0, 2), numbers.slice(2, 4)]
    for (let i = command === 'M' ? STEPS : 0; i <= STEPS; i++) {
      const t = i / STEPS
      const at = (from: number, axis: 0 | 1): number =>
        ctrl1 === undefined || ctrl2 === undefined
          ? from + (to![axis]! - from) * t
          : (1 - t) ** 3 * from + 3 * (1 - t) ** 2 * t * ctrl1[axis]! + 3 * (1 - t) * t ** 2 * ctrl2[axis]! + t ** 3 * to![axis]!
      points.push([at(x, 0), at(y, 1)])
    }
    ;[x, y] = to as [number, number]
  }
  return points
}

/** The first thing that is wrong: cards on or near each other, outside, or arrows over cards that are not theirs. */
export function flaw({ width, height, boxes, arrows }: Shown, ends: readonly { from: number; to: number }[]): string | undefined {
  for (const [index, box] of boxes.entries()) {
    if (!(box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height)) return `${box.title} is outside`
    for (const other of boxes.slice(index + 1))
      if (box.left < other.right + APART && other.left < box.right + APART && box.top < other.bottom + APART && other.top < box.bottom + APART)
        return `${box.title} is too near to ${other.title}`
  }
  if (arrows.length !== ends.length) return `${arrows.length} arrows, not ${ends.length}`
  for (const [index, points] of arrows.entries()) {
    const { from, to } = ends[index]!
    const [start, end] = [points[0]!, points.at(-1)!]
    if (!near(start, boxes[from]!)) return `arrow ${index} does not start at ${boxes[from]!.title}`
    if (!near(end, boxes[to]!)) return `arrow ${index} does not end at ${boxes[to]!.title}`
    for (const [at, box] of boxes.entries()) {
      if (at === from) continue
      const over = points.find(([x, y]) => x > box.left + 1 && x < box.right - 1 && y > box.top + 1 && y < box.bottom - 1)
      if (over !== undefined) return `arrow ${index} crosses ${box.title} at ${over}`
    }
    if (points.some(([x, y]) => !(x >= 0 && y >= 0 && x <= width && y <= height))) return `arrow ${index} leaves the picture`
  }
  return undefined
}

function near([x, y]: readonly [number, number], { left, top, right, bottom }: Rect): boolean {
  return x >= left - 1 && x <= right + 1 && y >= top - 1 && y <= bottom + 1
}
