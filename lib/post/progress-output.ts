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
