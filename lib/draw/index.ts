import { check, string } from '../base/check.js'
import { optionRange, optionType, say } from '../base/errors.js'
import { node } from '../base/node.js'
import type { Plan } from '../flow/options.js'
import { mermaidOf } from './mermaid.js'
import { describe, pictureOf } from './picture.js'
import { pngOf } from './png.js'
import type { Theme } from './style.js'
import { type Direction, svgOf } from './svg.js'

export type { Theme } from './style.js'
export type { Direction } from './svg.js'

/** How a Flow is drawn. */
export interface PlotOptions {
  /** `'svg'`, `'png'`, or `'mmd'` for Mermaid text. Default: what the file's ending says, and `'svg'` without a file. */
  format?: 'svg' | 'png' | 'mmd' | undefined
  /** Where arrows run to. Default `'auto'`: to the right; what gets wider than a page goes on in rows, or from top to bottom where that is narrower. */
  direction?: Direction | undefined
  /** Default `'auto'`: an SVG follows the scheme that its reader prefers, a PNG, which cannot, is light. */
  theme?: Theme | undefined
  /** Pixels of a PNG for each of the SVG, more than 0, up to 10, and such that there are 64 million at most. Default 2: sharp on dense screens. */
  scale?: number | undefined
  /** Files of TrueType or OpenType fonts for a PNG. Default: those of the machine. */
  fonts?: readonly string[] | undefined
}

const RULES: Record<keyof PlotOptions, (name: string, value: any) => void> = {
  format: oneOf('svg', 'png', 'mmd'),
  direction: oneOf('auto', 'right', 'down'),
  theme: oneOf('auto', 'light', 'dark'),
  scale,
  fonts,
}

/**
 * Draws a Flow, open or not, without a browser and without a network: to a file, if there is one. Its folder must exist.
 * @returns the text that was drawn: SVG, also where a PNG was made of it, or Mermaid
 * @throws TypeError or RangeError for options and for a file of another ending; FlowBuildError `ERR_NEED_UNKNOWN`, `ERR_NEED_CYCLE` for a
 * Flow that could not be opened; DependencyError (`ERR_DEPENDENCY`) for a PNG without `@resvg/resvg-js` or without fonts
 */
export async function plot(plan: Plan, file?: string, options: PlotOptions = {}): Promise<string> {
  check('plot()', options, RULES)
  if (file !== undefined) string('file', file)
  const format = options.format ?? (file === undefined ? 'svg' : formatOf(file))
  const { direction = 'auto', theme = 'auto', scale = 2, fonts = [] } = options
  if (format === 'png' && file === undefined) throw optionRange('format', "'svg' or 'mmd' without a file; for a PNG, give its file", format)
  const picture = pictureOf(plan)
  const shade = format === 'png' && theme === 'auto' ? 'light' : theme
  const text = format === 'mmd' ? mermaidOf(picture, direction === 'down' ? 'down' : 'right') : svgOf(picture, shade, direction)
  if (file !== undefined) {
    const content = format === 'png' ? await pngOf(text, shade as 'light' | 'dark', scale, fonts) : text
    await (await node('fs/promises')).writeFile(file, content)
  }
  return text
}

/** A Flow for notebooks that ask for `Symbol.for('Jupyter.display')`. One that cannot be opened says why. */
export function display(plan: Plan): Record<string, string> {
  try {
    const picture = pictureOf(plan)
    return { 'image/svg+xml': svgOf(picture, 'auto', 'auto'), 'text/plain': [plan.name, ...describe(picture).map((line) => `  ${line}`)].join('\n') }
  } catch (error) {
    return { 'text/plain': `${plan.name}: ${say(error)}` }
  }
}

function formatOf(file: string): 'svg' | 'png' | 'mmd' {
  const ending = /\.(svg|png|mmd|mermaid)$/i.exec(file)?.[1]?.toLowerCase()
  if (ending === undefined) throw optionRange('file', 'a name that ends with .svg, .png or .mmd, or format must say what to draw', file)
  return ending === 'mermaid' ? 'mmd' : (ending as 'svg' | 'png' | 'mmd')
}

function oneOf(...values: readonly string[]) {
  return (name: string, value: unknown): void => {
    if (!values.includes(value as string)) throw optionRange(name, `one of '${values.join("', '")}'`, value)
  }
}

function scale(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number', value)
  if (!(value > 0 && value <= 10)) throw optionRange(name, 'a number more than 0, up to 10', value)
}

function fonts(name: string, value: unknown): void {
  if (!Array.isArray(value) || !value.every((font) => typeof font === 'string')) throw optionType(name, 'a list of file names', value)
}
