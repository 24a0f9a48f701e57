import { Lexer, parse, Source, TokenKind } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { MAX_NESTING } from '../../../doc/json-value.js'
import { refusal } from './failures.js'

/** Longer texts have their documents in them and will not come again; remembered, they would fill the memory. */
const LONGEST = 10_000
const MOST = 500

/** Parses GraphQL texts within limits: looks at the tokens first, as the parser recurses into every bracket. */
export function parseWithin(maxTokens: number): Plugin {
  return {
    onParse({ setParseFn }) {
      setParseFn((source: string | Source, options?: object) => {
        const text = typeof source === 'string' ? new Source(source) : source
        inspect(text, maxTokens)
        return parse(text, options)
      })
    },
  }
}

function inspect(source: Source, maxTokens: number): void {
  const lexer = new Lexer(source)
  let tokens = 0
  let depth = 0
  for (let { kind } = lexer.advance(); kind !== TokenKind.EOF; { kind } = lexer.advance()) {
    if (++tokens > maxTokens) throw refusal('refused', `The operation has more than ${maxTokens} tokens. Send documents as variables`)
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) {
      if (++depth > MAX_NESTING) throw refusal('refused', `The operation is nested deeper than ${MAX_NESTING} levels`)
    } else if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) depth--
  }
}

/** What became of the last few hundred texts: documents, errors, or plans. */
export class TextCache<V> {
  readonly #entries = new Map<string, V>()
  /** What was asked for last, which most often is asked for next: it stands behind all others as it is. */
  #last: { readonly text: string; readonly value: V } | undefined

  get(text: string): V | undefined {
    if (text === this.#last?.text) return this.#last.value
    const found = text.length > LONGEST ? undefined : this.#entries.get(text)
    if (found !== undefined) {
      this.#entries.delete(text)
      this.#entries.set(text, found)
      this.#last = { text, value: found }
    }
    return found
  }

  set(text: string, value: V): void {
    if (text.length > LONGEST) return
    this.#last = undefined
    if (this.#entries.size === MOST) this.#entries.delete(this.#entries.keys().next().value!)
    this.#entries.set(text, value)
  }
}
