import type { Chip } from './labels.js'
import type { Size } from './layout.js'
import { type Font, fit, widthOf } from './letters.js'
import type { Card } from './picture.js'

export const NAME: Font = { size: 14, bold: true }
export const ORIGIN: Font = { size: 11, mono: true }
export const CHIP: Font = { size: 10.5 }

export const PADDING = 14
export const CHIP_HEIGHT = 18
/** How far each card of a stack looks out behind the one before. */
export const STACK = 5
const CHIP_PADDING = 8
const CHIP_GAP = 5
const NARROWEST = 92
const WIDEST = 214
const PILL_HEIGHT = 34

export interface PlacedChip extends Chip {
  readonly x: number
  readonly y: number
  readonly width: number
}

/** A card with everything on it in its place, from the card's corner. */
export interface Measured {
  readonly size: Size
  /** How many cards of a stack are seen behind it. */
  readonly stack: number
  readonly name: string
  readonly nameY: number
  readonly origin: string | undefined
  readonly originY: number
  readonly chips: readonly PlacedChip[]
}

export function measure(card: Card): Measured {
  return card.kind === 'executor' ? measureCard(card) : measurePill(card)
}

function measureCard(card: Card): Measured {
  // What stands right of the name, so that the name leaves it free.
  const corner = card.external ? 24 : 0
  const name = fit(card.name, NAME, WIDEST - corner)
  const origin = card.origin === undefined ? undefined : fit(card.origin, ORIGIN, WIDEST)
  const chips = card.chips.map((chip) => chipOf(chip, WIDEST))
  const least = Math.max(NARROWEST, widthOf(name, NAME) + corner, origin === undefined ? 0 : widthOf(origin, ORIGIN), ...chips.map(({ width }) => width))
  // No wider than its words, if two rows hold the chips then.
  const inner = [least, (least + WIDEST) / 2, WIDEST].find((width) => width >= least && rowsOf(chips, width).length <= 2) ?? WIDEST
  const rows = rowsOf(chips, inner)
  const nameY = PADDING + 12
  const originY = nameY + 18
  const top = (origin === undefined ? nameY : originY) + 12
  const placed = rows.flatMap((row, at) => {
    let x = PADDING
    return row.map((chip) => {
      const place = { ...chip, x, y: top + at * (CHIP_HEIGHT + CHIP_GAP) }
      x += chip.width + CHIP_GAP
      return place
    })
  })
  const height = rows.length === 0 ? top + 3 : top + rows.length * (CHIP_HEIGHT + CHIP_GAP) - CHIP_GAP + PADDING - 1
  const stack = Math.min(2, card.replicas - 1)
  const size = { width: even(inner + 2 * PADDING), height: even(height), right: stack * STACK, below: stack * STACK, grows: true }
  return { size, stack, name, nameY, origin, originY, chips: placed }
}

function measurePill({ name, chips }: Card): Measured {
  const words = widthOf(name, NAME) + 34
  const below = chips.map((chip) => chipOf(chip, WIDEST))
  const width = even(Math.max(words, ...below.map((chip) => chip.width)))
  const placed = below.map((chip) => ({ ...chip, x: (width - chip.width) / 2, y: PILL_HEIGHT + 6 }))
  const size = { width, height: PILL_HEIGHT, right: 0, below: placed.length === 0 ? 0 : CHIP_HEIGHT + 6, grows: false }
  return { size, stack: 0, name, nameY: PILL_HEIGHT / 2 + 5, origin: undefined, originY: 0, chips: placed }
}

/** Its half is a whole pixel then, and its border sharp. */
function even(length: number): number {
  return Math.ceil(length / 2) * 2
}

function chipOf({ kind, text }: Chip, width: number): Chip & { width: number } {
  const fitting = fit(text, CHIP, width - 2 * CHIP_PADDING)
  return { kind, text: fitting, width: widthOf(fitting, CHIP) + 2 * CHIP_PADDING }
}

function rowsOf<C extends { width: number }>(chips: readonly C[], width: number): C[][] {
  const rows: C[][] = []
  let left = 0
  for (const chip of chips) {
    if (rows.length === 0 || chip.width > left) {
      rows.push([])
      left = width
    }
    rows.at(-1)!.push(chip)
    left -= chip.width + CHIP_GAP
  }
  return rows
}
