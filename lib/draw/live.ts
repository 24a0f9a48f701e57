import type { Plan } from '../flow/options.js'
import { folded } from './fold.js'
import { type Layout, layout, pathOf, type Size } from './layout.js'
import { fit } from './letters.js'
import { NAME, ORIGIN } from './measure.js'
import { type Arrow, type Card, pictureOf } from './picture.js'

// The picture of plot(), with room on its cards for numbers: the page at /ui writes them. Both of its directions, as screens are wide or narrow.

/** A card of an executor has its name, what is said of it, and three rows of numbers. */
const CARD = { width: 208, height: 112 }
const PILL = { width: 104, height: 34 }
const INNER = CARD.width - 28
/** The width that a wide screen has for it. */
const PAGE = 1200

interface Placed {
  readonly width: number
  readonly height: number
  /** By card: x, y, width, height. */
  readonly boxes: readonly (readonly number[])[]
  /** By arrow, as SVG has paths. */
  readonly lines: readonly string[]
}

/** What the page draws, as JSON. */
interface LivePicture {
  readonly cards: readonly {
    readonly kind: Card['kind']
    readonly name: string
    /** As much of the name as there is room for. */
    readonly label: string
    /** What it is, and what was said of it. */
    readonly about: string
    /** Where it runs. */
    readonly place: string
    readonly floating: boolean
    readonly external: boolean
  }[]
  readonly arrows: readonly Arrow[]
  readonly right: Placed
  readonly down: Placed
}

/**
 * @param addresses whether where executors elsewhere are may be in it
 * @throws FlowBuildError as `plot()` does
 */
export function livePictureOf(plan: Plan, addresses: boolean): LivePicture {
  const { cards, arrows } = pictureOf(plan)
  const sizes = cards.map(({ kind }): Size => ({ ...(kind === 'executor' ? CARD : PILL), right: 0, below: 0, grows: false }))
  return {
    cards: cards.map(({ kind, name, origin, chips, floating, external }) => {
      const shown = external && !addresses ? [] : [origin ?? []].flat()
      const about = fit([...shown, ...chips.map(({ text }) => text)].join(' · '), ORIGIN, INNER)
      return { kind, name, label: fit(name, NAME, INNER - 16), about, place: placeOf(chips, external ? shown : []), floating, external }
    }),
    arrows,
    right: placed(folded(sizes, arrows, PAGE) ?? layout(sizes, arrows, true)),
    down: placed(layout(sizes, arrows, false)),
  }
}

function placeOf(chips: Card['chips'], address: readonly string[]): string {
  const places = [...address, ...chips.filter(({ kind }) => kind === 'place').map(({ text }) => text)]
  return places.every((place) => place === 'floating') ? ['this process', ...places].join(', ') : places.join(', ')
}

function placed({ right, width, height, boxes, lines }: Layout): Placed {
  return { width, height, boxes: boxes.map(({ x, y, width, height }) => [x, y, width, height]), lines: lines.map((line) => pathOf(line, right)) }
}
