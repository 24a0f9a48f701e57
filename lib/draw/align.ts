/** Two that should stand on one line, and how much. */
export interface Pull {
  readonly a: number
  readonly b: number
  readonly weight: number
}

const ROUNDS = 300

/**
 * Finds middles so that arrows are as straight as they can be: the sum of weighted squares of what they deviate is made small, layer by
 * layer, each solved exactly.
 *
 * @param gaps what each node must keep from the one before it in its layer, from middle to middle
 */
export function align(layers: readonly (readonly number[])[], gaps: readonly (readonly number[])[], pulls: readonly Pull[]): number[] {
  const middles = layers.flat().map(() => 0)
  const near = middles.map((): { other: number; weight: number }[] => [])
  for (const { a, b, weight } of pulls) {
    near[a]!.push({ other: b, weight })
    near[b]!.push({ other: a, weight })
  }
  for (const [at, layer] of layers.entries()) {
    const total = gaps[at]!.reduce((sum, gap) => sum + gap, 0)
    let middle = -total / 2
    for (const [place, node] of layer.entries()) middles[node] = middle += gaps[at]![place]!
  }
  for (let round = 0, moved = Infinity; round < ROUNDS && moved > 0.02; round++) {
    moved = 0
    const at = (index: number): number => (round % 2 === 0 ? index : layers.length - 1 - index)
    for (let index = 0; index < layers.length; index++) {
      const layer = layers[at(index)]!
      const weights = layer.map((node) => near[node]!.reduce((sum, { weight }) => sum + weight, 0) || 0.001)
      const wishes = layer.map((node, place) => {
        if (near[node]!.length === 0) return middles[node]!
        return near[node]!.reduce((sum, { other, weight }) => sum + weight * middles[other]!, 0) / weights[place]!
      })
      const found = apart(wishes, weights, gaps[at(index)]!)
      for (const [place, node] of layer.entries()) {
        moved = Math.max(moved, Math.abs(found[place]! - middles[node]!))
        middles[node] = found[place]!
      }
    }
  }
  return middles
}

/** The places nearest to what is wished, in order and with their gaps: isotonic regression by pooling what violates the order. */
function apart(wishes: readonly number[], weights: readonly number[], gaps: readonly number[]): number[] {
  const pools: { mean: number; weight: number; size: number }[] = []
  let shift = 0
  for (const [at, wish] of wishes.entries()) {
    shift += gaps[at]!
    let pool = { mean: wish - shift, weight: weights[at]!, size: 1 }
    for (let last = pools.at(-1); last !== undefined && last.mean > pool.mean; last = pools.at(-1)) {
      pools.pop()
      const weight = last.weight + pool.weight
      pool = { mean: (last.mean * last.weight + pool.mean * pool.weight) / weight, weight, size: last.size + pool.size }
    }
    pools.push(pool)
  }
  shift = 0
  return pools.flatMap(({ mean, size }) => new Array<number>(size).fill(mean)).map((place, at) => place + (shift += gaps[at]!))
}
