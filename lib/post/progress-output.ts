import { newScreen } from '../base/kernel.js'
import { inMarkup } from '../base/markup.js'

/** Where progress is shown: `process.stderr`, or what has its shape. */
export interface ProgressOutput {
  write(text: string): unknown
  /** A line that can be drawn again and again; elsewhere only the last line is written. */
  isTTY?: boolean | undefined
  /** Width in characters. Default 80. */
  columns?: number | undefined
}

/** A display of the notebook that this runs in, or else stderr, where there is one. */
export function defaultOutput(): ProgressOutput | undefined {
  return notebookOutput() ?? globalThis.process?.stderr
}

/** What others write to that ends on the same screen. */
export function sharedWith(output: ProgressOutput): ProgressOutput[] {
  const { stderr, stdout } = globalThis.process ?? {}
  return output === stderr && stdout?.isTTY ? [stdout] : []
}

const ERASE = '\r\x1b[K'

/** A line that is drawn again and again, below what others write to the same screen. */
export class ProgressLine {
  readonly #write: (text: string) => void
  readonly #release: (() => void)[]
  #isShown = false
  /** What somebody else wrote last ends in the midst of a line. */
  #isBroken = false

  /** @param beside outputs that end on the same screen */
  constructor(output: ProgressOutput, beside: readonly ProgressOutput[]) {
    const { write } = output
    this.#write = (text) => void write.call(output, text)
    this.#release = [output, ...beside].map((one) => this.#hear(one))
  }

  draw(text: string): void {
    // It would be drawn over what somebody has not ended yet.
    if (this.#isBroken) return
    this.#isShown = true
    this.#write(`\r${text}\x1b[K`)
  }

  /** Takes the line away. What is written next begins a line. */
  close(): void {
    for (const release of this.#release) release()
    if (this.#isBroken) this.#write('\n')
    else if (this.#isShown) this.#write(ERASE)
  }

  /** Makes room whenever somebody writes there. @returns ends that */
  #hear(output: ProgressOutput): () => void {
    const isOwn = Object.hasOwn(output, 'write')
    const { write } = output
    let isOver = false
    const heard = (text: string, ...more: unknown[]): unknown => {
      if (!isOver) this.#makeRoom(text)
      return (write as (...all: unknown[]) => unknown).call(output, text, ...more)
    }
    output.write = heard
    return () => {
      isOver = true
      // Who has come in between calls this one, which does nothing any more.
      if (output.write !== heard) return
      if (isOwn) output.write = write
      else delete (output as Partial<ProgressOutput>).write
    }
  }

  #makeRoom(text: unknown): void {
    if (this.#isShown) this.#write(ERASE)
    this.#isShown = false
    const last = typeof text === 'string' ? text.at(-1) : text instanceof Uint8Array ? String.fromCharCode(text.at(-1) ?? 10) : undefined
    if (last !== undefined) this.#isBroken = last !== '\n'
  }
}

/** What a terminal is told beside the text: where to write, in which colour. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is them that are left out
const TOLD = /\r|\x1b\[[\d;]*[A-Za-z]/g

/** In a notebook: one display, whose line changes. */
function notebookOutput(): ProgressOutput | undefined {
  const screen = newScreen()
  if (screen === undefined) return undefined
  return {
    isTTY: true,
    columns: 100,
    write(text) {
      const line = text.replace(TOLD, '').trim()
      // Nobody waits for a bar.
      if (line !== '') screen({ 'text/html': `<pre>${inMarkup(line)}</pre>`, 'text/plain': line }).catch(() => {})
    },
  }
}
