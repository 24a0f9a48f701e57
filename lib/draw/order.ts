import type { Layers } from './layers.js'

const ROUNDS = 12

/** Orders each layer so that few arrows cross: by the mean place of the neighbours, to and fro, then by swaps. Changes `layers`. */
export function order({ layers, before, after }: Layers): void {
  const places: number[] = []
  const settle = (layer: readonly number[]): void => {
    for (const [place, node] of layer.entries()) places[node] = place
  }
  for (const layer of layers) settle(layer)
  const sweep = (layer: number[], beside: readonly number[] | undefined, neighbours: Layers['before']): void => {
    if (beside === undefined) return
    const mean = new Map(layer.map((node, place) => [node, target(node, (place + 0.5) / layer.length, neighbours[node]!, beside.length)]))
    layer.sort((a, b) => mean.get(a)! - mean.get(b)!)
    settle(layer)
  }
  const target = (_: number, own: number, near: readonly number[], length: number): number =>
    near.length === 0 ? own : near.reduce((sum, node) => sum + (places[node]! + 0.5) / length, 0) / near.length

  let best = layers.map((layer) => [...layer])
  let fewest = Infinity
  for (let round = 0; round < ROUNDS && fewest > 0; round++) {
    for (let at = 1; at < layers.length; at++) sweep(layers[at]!, layers[at - 1], before)
    if (round > 0) {
      for (let at = layers.length - 2; at >= 0; at--) sweep(layers[at]!, layers[at + 1], after)
      for (const layer of layers) swap(layer, places, before, after)
    }
    const count = crossings(layers, places, after)
    if (count < fewest) {
      fewest = count
      best = layers.map((layer) => [...layer])
    }
  }
  for (const [at, layer] of best.entries()) layers[at] = layer
}

/** Swaps neighbours as long as it helps. */
function swap(layer: number[], places: number[], before: Layers['before'], after: Layers['after']): void {
  const cost = (left: number, right: number): number => {
    let count = 0
    for (const neighbours of [before, after]) for (const a of neighbours[left]!) for (const b of neighbours[right]!) if (places[a]! > places[b]!) count++
    return count
  }
  for (let better = true; better; ) {
    better = false
    for (let at = 1; at < layer.length; at++) {
      const [left, right] = [layer[at - 1]!, layer[at]!]
      if (cost(right, left) >= cost(left, right)) continue
      layer[at - 1] = right
      layer[at] = left
      places[right] = at - 1
      places[left] = at
      better = true
    }
  }
}

/** How often arrows cross: for each, those that start further on and end before it, counted with a Fenwick tree. */
function crossings(layers: readonly number[][], places: readonly number[], after: Layers['after']): number {
  let count = 0
  for (const [at, layer] of layers.entries()) {
    const size = layers[at + 1]?.length ?? 0
    const tree = new Array<number>(size + 1).fill(0)
    let seen = 0
    for (const node of layer) {
      const ends = after[node]!.map((end) => places[end]!)
      for (const end of ends) {
        let upTo = 0
        for (let i = end + 1; i > 0; i -= i & -i) upTo += tree[i]!
        count += seen - upTo
      }
      for (const end of ends) {
        seen++
        for (let i = end + 1; i <= size; i += i & -i) tree[i]!++
      }
    }
  }
  return count
}
