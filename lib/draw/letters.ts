import { inMarkup } from '../base/markup.js'

/** Widths in hundredths of the font size: those of DejaVu Sans, about. It is the widest of the common fonts, so text fits in the others too. */
const WIDTHS: readonly (readonly [letters: RegExp, width: number])[] = [
  [/[\p{M}\p{Cf}]/u, 0],
  [/[ijl.,']/, 31],
  [/[:;|!]/, 37],
  [/[ftrI()[\]/\\\- ·]/, 40],
  [/[mM@%W…—]/, 98],
  [/w/, 82],
  [/[OQGCDNHU]/, 78],
  [/[+^=<>≤≥≠~×→#&]/, 82],
  [/[A-Z]/, 70],
  [/[ -\u024f\u0370-\u05ff]/, 62],
  [/./u, 100],
]

export interface Font {
  readonly size: number
  readonly bold?: boolean
  /** All letters are equally wide. */
  readonly mono?: boolean
}

const wide = /[\u1100-\u115f\u2e80-\uffdc\u{1f000}-\u{3ffff}]/u

function letterWidth(letter: string, { size, bold, mono }: Font): number {
  if (mono) return (wide.test(letter) ? 1.05 : /[\p{M}\p{Cf}]/u.test(letter) ? 0 : 0.61) * size
  const width = WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? 100
  return (width / 100) * size * (bold ? 1.12 : 1)
}

/** How wide a text is at most, in pixels. An estimate: what draws it later has the fonts. */
export function widthOf(text: string, font: Font): number {
  let width = 0
  for (const letter of text) width += letterWidth(letter, font)
  return Math.ceil(width)
}

/** A text as it is, or as much of it as fits, and an ellipsis. */
export function fit(text: string, font: Font, width: number): string {
  if (widthOf(text, font) <= width) return text
  const letters = [...text]
  let rest = width - letterWidth('…', font)
  let at = 0
  while (at < letters.length && (rest -= letterWidth(letters[at]!, font)) >= 0) at++
  return `${letters.slice(0, at).join('').trimEnd()}…`
}

/** A text on one line, without what XML cannot hold. */
export function line(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
  return text.replace(/\s+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd')
}

/** A text for XML, in elements and in attributes. */
export function xml(text: string): string {
  return inMarkup(line(text))
}
