import type { Layers } from './layers.js'

/** Pixels aside that look like a mistake. */
const NEARLY = 6

/**
 * Moves bends, where there is room, onto one line with the bends behind them, and such runs as a whole onto the line of a card at
 * their ends: an arrow that passes several layers goes aside once then, not a little in each. What is nearly straight gets straight.
 * Changes `middles`.
 *
 * @param cards how many nodes are cards; all others are bends
 * @param gaps what each node must keep from the one before it in its layer, from middle to middle
 */
export function straighten({ layers, before, after }: Layers, cards: number, middles: number[], gaps: readonly (readonly number[])[]): void {
  const room = middles.map(
    () =>
      (_: number): boolean =>
        false,
  )
  for (const [at, layer] of layers.entries())
    for (const [place, node] of layer.entries())
      room[node] = (middle) => {
        const [last, next] = [layer[place - 1], layer[place + 1]]
        return (last === undefined || middle - middles[last]! >= gaps[at]![place]!) && (next === undefined || middles[next]! - middle >= gaps[at]![place + 1]!)
      }
  for (const node of layers.flat()) {
    const line = before[node]!.map((other) => middles[other]!).find((middle) => Math.abs(middle - middles[node]!) <= NEARLY)
    if (line !== undefined && room[node]!(line)) middles[node] = line
  }
  const bends = layers.flatMap((layer) => layer.filter((node) => node >= cards))
  const bendBehind = (bend: number): number | undefined => after[bend]!.find((node) => node >= cards)
  for (const bend of bends.toReversed()) {
    const next = bendBehind(bend)
    if (next !== undefined && room[bend]!(middles[next]!)) middles[bend] = middles[next]!
  }
  const done = new Set<number>()
  for (const first of bends) {
    if (done.has(first)) continue
    const run = [first]
    for (let next = bendBehind(first); next !== undefined && middles[next] === middles[first]; next = bendBehind(next)) run.push(next)
    for (const bend of run) done.add(bend)
    const nearest = [...before[first]!, ...run.flatMap((bend) => after[bend]!)]
      .filter((node) => !run.includes(node))
      .map((node) => middles[node]!)
      .sort((a, b) => Math.abs(a - middles[first]!) - Math.abs(b - middles[first]!))
    const line = nearest.find((middle) => run.every((bend) => room[bend]!(middle)))
    if (line !== undefined) for (const bend of run) middles[bend] = line
  }
}
