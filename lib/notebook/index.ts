/** For notebooks: of Deno, and of tslab. */

import { SluiceError, say, show } from '../base/errors.js'
import { type Bundle, newScreen } from '../base/kernel.js'
import { DocumentArray } from '../doc/array.js'
import { Document } from '../doc/document.js'
import { DocumentArrayMemmap } from '../doc/memmap.js'
import type { Response } from '../request/response.js'
import { tableOf } from './table.js'

/** By which Deno asks what a cell ends with how it is shown. */
const DISPLAY: symbol = Symbol.for('Jupyter.display')

/**
 * Shows something in the output of the cell that runs: a Flow as a picture, documents as a table with thumbnails of images and shapes of tensors, a
 * response with its documents or its error, anything else as text. A cell of Deno's that ends with one of them shows it by itself; tslab has to be asked.
 * @param value also a promise of it
 * @throws SluiceError (`ERR_NO_NOTEBOOK`) outside a notebook of Deno or tslab
 *
 * @example
 * await display(flow)
 * await display(flow.post('/search', 'a question').docs())
 */
export async function display(value: unknown): Promise<void> {
  const screen = newScreen()
  if (screen === undefined) throw new SluiceError('ERR_NO_NOTEBOOK', 'display() is for notebooks of Deno and tslab, and this is none. Take console.log()')
  await screen(await bundleOf(await value))
}

/**
 * What {@link display} shows, in forms by MIME type: `text/html` or `image/svg+xml`, and always `text/plain`.
 * @param value a Flow, documents in memory or on disk, a document, a response, or anything
 */
export async function bundleOf(value: unknown): Promise<Bundle> {
  const own = (value as { [DISPLAY]?: unknown } | null | undefined)?.[DISPLAY as never] as unknown
  // Who shows something does not want to lose the cell for it.
  if (typeof own === 'function') return Promise.resolve(own.call(value)).catch((error) => ({ 'text/plain': `It cannot be shown: ${say(error)}` }))
  if (Array.isArray(value) && value.length > 0 && value.every((one) => one instanceof Document)) return tableOf(value as unknown as DocumentArray, 'Array')
  if (isResponse(value)) {
    const { docs, header, error } = value
    return tableOf(docs, `Response of ${header.execEndpoint}`, ...(error === undefined ? [] : [`${error.name}: ${error.message}`]))
  }
  return { 'text/plain': typeof value === 'string' ? value : value instanceof Error ? `${value.name}: ${value.message}` : show(value) }
}

/** By what it has: who takes the class along has one more piece to load, wherever sluice is bundled. */
function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && 'routes' in value && 'header' in value && (value as Response).docs instanceof DocumentArray
}

// Their own methods would weigh on all who use them, also in pages: so they are there once something of a notebook is.
const SHOWN: readonly [{ readonly prototype: object }, (value: any) => Promise<Bundle>][] = [
  [DocumentArray, (documents) => tableOf(documents, 'DocumentArray')],
  [DocumentArrayMemmap, (documents) => tableOf(documents, 'DocumentArrayMemmap')],
  [Document, (document) => tableOf([document] as never, 'Document')],
]
for (const [{ prototype }, shown] of SHOWN) {
  Object.defineProperty(prototype, DISPLAY, {
    configurable: true,
    writable: true,
    value(this: object) {
      return shown(this)
    },
  })
}
