import { FlowBuildError } from '../base/errors.js'
import { meantOrAll } from '../base/nearest.js'
import type { Handler } from '../request/handler.js'
import { GATEWAY } from '../request/route.js'
import type { IsBound } from '../request/traced.js'
import type { Background } from './background.js'

/** How a node with several needs unites their documents: one after the other, or by id. */
export type Join = 'concat' | 'merge'

/** One executor's place in the graph, as it was added. */
export interface Step {
  readonly name: string
  readonly needs: readonly string[]
  readonly join: Join
  /** No response waits for it, nor for what only needs it. */
  readonly floating: boolean
}

/** A place with who is there, and the ways in and out as the walk takes them. */
export interface Node extends Step {
  readonly peer: Handler
  /** For each need: which node it is (-1 the gateway), and which of its copies comes here. */
  readonly ways: readonly { from: number; copy: number }[]
  /** Whether the Flow has an endpoint, for who hears of it: set once its executors are open. */
  isBound?: IsBound | undefined
  /** How many copies of its outcome are needed. */
  readonly copies: number
}

/** A graph that can be walked: nodes after all they need, and what the gateway hands in and awaits. */
export interface Graph {
  readonly nodes: readonly Node[]
  /** Copies of the incoming request. */
  readonly copies: number
  /** The ways that end at the gateway. */
  readonly leaves: readonly { from: number; copy: number; name: string }[]
  readonly join: Join
  /** One way in, one way out, no forks: the walk is a loop. */
  readonly chain: boolean
  /** Where floating executors run. */
  readonly background: Background
}

/**
 * Puts steps in an order in which each comes after its needs.
 * @throws FlowBuildError `ERR_NEED_UNKNOWN`, `ERR_NEED_CYCLE`
 */
export function sort<S extends Step>(steps: readonly S[]): S[] {
  const byName = new Map(steps.map((step) => [step.name, step]))
  const sorted = new Set<S>()
  const visit = (step: S, path: readonly string[]): void => {
    if (sorted.has(step)) return
    if (path.includes(step.name)) {
      const cycle = [...path.slice(path.indexOf(step.name)), step.name].join(' → ')
      throw new FlowBuildError('ERR_NEED_CYCLE', `These executors need each other in a circle: ${cycle}. Take one of the needs out`)
    }
    for (const need of step.needs) {
      if (need === GATEWAY) continue
      const needed = byName.get(need)
      if (needed === undefined)
        throw new FlowBuildError(
          'ERR_NEED_UNKNOWN',
          `${step.name} needs ${need}, which is not in the Flow. ${meantOrAll(
            need,
            [GATEWAY, ...byName.keys()].filter((name) => name !== step.name),
          )}`,
        )
      visit(needed, [...path, step.name])
    }
    sorted.add(step)
  }
  for (const step of steps) visit(step, [])
  return [...sorted]
}

/** Makes sorted steps walkable. What needs a floating step floats with it. */
export function connect(given: readonly (Step & Pick<Node, 'peer'>)[], join: Join, background: Background): Graph {
  const afloat = new Set<string>()
  const steps = given.map((step) => {
    const floating = step.floating || step.needs.some((need) => afloat.has(need))
    if (floating) afloat.add(step.name)
    return { ...step, floating }
  })
  // A leaf is where the last executor stands that a response waits for, be there others afloat behind it.
  const isLeaf = ({ name, floating }: Step): boolean => !floating && !steps.some((step) => !step.floating && step.needs.includes(name))
  const at = new Map(steps.map(({ name }, index) => [name, index]))
  const copies = new Array<number>(steps.length + 1).fill(0)
  // The gateway stands at -1, and its count in the last place.
  const way = (need: string): { from: number; copy: number } => {
    const from = at.get(need) ?? -1
    const slot = from === -1 ? steps.length : from
    return { from, copy: copies[slot]!++ }
  }
  const ways = steps.map(({ needs }) => needs.map(way))
  const leaves = steps.flatMap((step) => (isLeaf(step) ? [{ name: step.name, ...way(step.name) }] : []))
  // When all float, what comes in goes out.
  if (leaves.length === 0 && steps.length > 0) leaves.push({ name: GATEWAY, ...way(GATEWAY) })
  const nodes = steps.map((step, index) => ({ ...step, ways: ways[index]!, copies: copies[index]! }))
  const chain =
    nodes.every(({ ways, copies }, index) => ways.length === 1 && copies === 1 && ways[0]!.from === index - 1) && leaves.length <= 1 && afloat.size === 0
  return { nodes, copies: copies[steps.length]!, leaves, join, chain, background }
}
