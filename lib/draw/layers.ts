import type { Arrow } from './picture.js'

/** The cards of a picture in layers, and what keeps a way free between them where arrows pass a layer by. */
export interface Layers {
  /** Indices of cards, and beyond them of bends, by layer and place. */
  readonly layers: number[][]
  readonly layerOf: readonly number[]
  /** Neighbours in the layer before, and in the one behind. */
  readonly before: readonly (readonly number[])[]
  readonly after: readonly (readonly number[])[]
  /** For each arrow, all it passes, its ends included. */
  readonly ways: readonly (readonly number[])[]
}

/**
 * Puts each card into the layer behind the last of its needs. Arrows over several layers get a bend in each between. All arrows of
 * one card share its bends: they carry the same documents, and part where they must.
 */
export function layersOf(size: number, arrows: readonly Arrow[]): Layers {
  const layerOf = new Array<number>(size).fill(0)
  const incoming = Array.from({ length: size }, (): number[] => [])
  for (const { from, to } of arrows) incoming[to]!.push(from)
  // Cards are sorted: what a card needs has its layer already.
  for (let card = 0; card < size; card++) for (const from of incoming[card]!) layerOf[card] = Math.max(layerOf[card]!, layerOf[from]! + 1)

  const bends = Array.from({ length: size }, (): number[] => [])
  const ways = arrows.map(({ from, to }) => {
    const first = layerOf[from]! + 1
    const needed = layerOf[to]! - first
    while (bends[from]!.length < needed) {
      layerOf.push(first + bends[from]!.length)
      bends[from]!.push(layerOf.length - 1)
    }
    return [from, ...bends[from]!.slice(0, needed), to]
  })

  const before = layerOf.map((): number[] => [])
  const after = layerOf.map((): number[] => [])
  for (const way of ways)
    for (let i = 1; i < way.length; i++) {
      if (after[way[i - 1]!]!.includes(way[i]!)) continue
      after[way[i - 1]!]!.push(way[i]!)
      before[way[i]!]!.push(way[i - 1]!)
    }
  const layers: number[][] = Array.from({ length: Math.max(...layerOf) + 1 }, () => [])
  for (const [index, layer] of layerOf.entries()) layers[layer]!.push(index)
  // What floats stands aside, unless it gives more order where it is.
  const floats = new Set(arrows.filter(({ floating }) => floating).map(({ to }) => to))
  for (const layer of layers) layer.sort((a, b) => Number(floats.has(a)) - Number(floats.has(b)))
  return { layers, layerOf, before, after, ways }
}
