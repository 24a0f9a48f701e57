import type { Document } from 'sluice'
import type { Synset } from './wordnet.js'

const WIDTH = Math.min(process.stdout.columns ?? 110, 140)
const paint = (code: number, text: string): string => (process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text)

export function heading(text: string): void {
  console.log(`\n${paint(1, text)}`)
}

/** A question and what was found for it, a line each: score, words, part of speech, gloss. */
export function answer({ text, matches }: Document): void {
  console.log(`\n  ${paint(36, text)}`)
  for (const match of matches as Iterable<Document<Synset>>) {
    const { words, pos } = match.tags
    const facts = `  ${Object.values(match.scores)[0]!.value.toFixed(2).padStart(6)}  ${paint(1, fit(words.join(', '), 30))}  ${pos.padEnd(4)}  `
    console.log(facts + fit(match.text, WIDTH - 48).trimEnd())
  }
}

/** Exactly so many characters, the last a … if there were more. */
function fit(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)
}
