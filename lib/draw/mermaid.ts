import { line } from './letters.js'
import type { Card, Picture } from './picture.js'

/** The picture as text for Mermaid, which GitHub and others draw in their own way. */
export function mermaidOf({ cards, arrows }: Picture, direction: 'right' | 'down'): string {
  const nodes = cards.map((card, index) => `  n${index}${shape(card)}${classes(card)}`)
  const ways = arrows.map(({ from, to, floating }) => `  n${from} ${floating ? '-.->' : '-->'} n${to}`)
  const styles = ['  classDef floating stroke-dasharray:5 4', '  classDef external stroke:#0f8a80,stroke-width:2px']
  const used = styles.filter((style) => nodes.some((node) => node.endsWith(`:::${style.trim().split(' ')[1]}`)))
  return `${[`flowchart ${direction === 'right' ? 'LR' : 'TD'}`, ...nodes, ...ways, ...used].join('\n')}\n`
}

function shape({ kind, name, origin, chips, replicas }: Card): string {
  const lines = [kind === 'executor' ? `<b>${quote(name)}</b>` : quote(name)]
  if (origin !== undefined) lines.push(quote(origin))
  if (chips.length > 0) lines.push(quote(chips.map(({ text }) => text).join(' | ')))
  const label = `"${lines.join('<br/>')}"`
  if (kind !== 'executor') return `([${label}])`
  return replicas > 1 ? `[[${label}]]` : `(${label})`
}

function classes({ floating, external }: Card): string {
  return floating ? ':::floating' : external ? ':::external' : ''
}

/** Everything that could mean something to Mermaid, to Markdown or to HTML, by its number. */
function quote(text: string): string {
  return line(text).replace(/[^\p{L}\p{M}\p{N} .,:/=()|×·…≠≥≤+-]/gu, (letter) => `#${letter.codePointAt(0)};`)
}
