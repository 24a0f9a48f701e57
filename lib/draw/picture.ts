import type { Plan } from '../flow/options.js'
import { sort } from '../graph/graph.js'
import { runtimeOf } from '../place/options.js'
import { GATEWAY } from '../request/route.js'
import { type Chip, chips, origin, replicasOf } from './labels.js'
import { line } from './letters.js'

/** What stands in a picture: an executor, or one of the two ends of a Flow. */
export interface Card {
  readonly kind: 'start' | 'end' | 'executor'
  readonly name: string
  readonly origin: string | undefined
  readonly chips: readonly Chip[]
  readonly replicas: number
  readonly floating: boolean
  readonly external: boolean
}

/** The way of documents from one card to another, both by index. */
export interface Arrow {
  readonly from: number
  readonly to: number
  readonly floating: boolean
}

/** A Flow as whoever draws it sees it. Cards stand behind all they need, the start is the first, the end the last. */
export interface Picture {
  readonly name: string
  readonly cards: readonly Card[]
  readonly arrows: readonly Arrow[]
}

/** @throws FlowBuildError `ERR_NEED_UNKNOWN`, `ERR_NEED_CYCLE` */
export function pictureOf(plan: Plan): Picture {
  const steps = sort(plan.steps)
  const at = new Map([[GATEWAY, 0], ...steps.map(({ name }, index): [string, number] => [name, index + 1])])
  const afloat = new Set<string>()
  for (const { name, floating, needs } of steps) if (floating || needs.some((need) => afloat.has(need))) afloat.add(name)
  const cards = steps.map(({ name, needs, join, options }): Card => {
    const unites = needs.length > 1 ? `join ${join}` : undefined
    const floating = afloat.has(name)
    return {
      kind: 'executor',
      name,
      origin: said(origin(options)) ?? (unites === undefined ? 'passes through' : undefined),
      chips: chips({ ...options, runtime: runtimeOf(options, plan.options) }, unites, floating).map(({ kind, text }) => ({ kind, text: line(text) })),
      replicas: replicasOf(options),
      floating,
      external: Boolean((options as { external?: unknown }).external),
    }
  })
  const arrows = steps.flatMap(({ name, needs }) => needs.map((need) => ({ from: at.get(need)!, to: at.get(name)!, floating: afloat.has(name) })))
  const awaited = new Set(steps.flatMap(({ name, needs }) => (afloat.has(name) ? [] : needs)))
  const leaves = steps.filter(({ name }) => !afloat.has(name) && !awaited.has(name)).map(({ name }) => at.get(name)!)
  const last = leaves.length === 0 ? [0] : leaves
  const join: Chip[] = last.length > 1 ? [{ kind: 'join', text: `join ${plan.options.join ?? 'concat'}` }] : []
  return {
    name: line(plan.name),
    cards: [gateway('start', []), ...cards, gateway('end', join)],
    arrows: [...arrows, ...last.map((from) => ({ from, to: steps.length + 1, floating: false }))],
  }
}

function gateway(kind: 'start' | 'end', chips: Chip[]): Card {
  return { kind, name: GATEWAY, origin: undefined, chips, replicas: 1, floating: false, external: false }
}

function said(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : line(text)
}

/** All that is on a card, in one line. */
export function cardText({ name, origin, chips }: Card): string {
  const rest = [origin, ...chips.map(({ text }) => text)].filter((text) => text !== undefined)
  return rest.length === 0 ? name : `${name}: ${rest.join(', ')}`
}

/** The picture for those who cannot see it: a line per executor. */
export function describe({ cards, arrows }: Picture): string[] {
  return cards.flatMap((card, index) => {
    const needs = arrows.filter(({ to }) => to === index).map(({ from }) => cards[from]!.name)
    return index === 0 ? [] : [`${needs.join(' + ')} → ${cardText(card)}`]
  })
}
