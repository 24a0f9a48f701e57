/** What is shown, in forms by MIME type: whoever shows it takes the richest that it knows. */
export type Bundle = Readonly<Record<string, string>>

/** A place in the output of a cell: what is shown there next takes the place of what was. */
export type Screen = (bundle: Bundle) => Promise<void>

interface Jupyter {
  display(object: object, options: { raw: true; display_id: string; update: boolean }): Promise<void>
}

interface Tslab {
  newDisplay(): { raw(type: string, content: string): void }
}

/** tslab shows one form of each thing. */
const RICHEST = ['image/svg+xml', 'text/html', 'text/plain']

/** A new place in the output of the cell that runs; undefined where this is no notebook of Deno or tslab. */
export function newScreen(): Screen | undefined {
  const deno = jupyterOfDeno()
  if (deno !== undefined) {
    const id = globalThis.crypto.randomUUID()
    // One after the other, as they were asked for.
    let before: Promise<void> | undefined
    return (bundle) => {
      const show = deno.display.bind(deno, bundle, { raw: true, display_id: id, update: before !== undefined })
      return (before = before === undefined ? show() : before.then(show))
    }
  }
  const tslab = tslabItself()
  if (tslab === undefined) return undefined
  const display = tslab.newDisplay()
  return async (bundle) => {
    const type = RICHEST.find((type) => bundle[type] !== undefined)
    if (type !== undefined) display.raw(type, bundle[type]!)
  }
}

/** Whether this is a notebook of Deno, which shows by itself what a cell ends with. */
export function jupyterOfDeno(): Jupyter | undefined {
  try {
    return (globalThis as { Deno?: { jupyter?: Jupyter } }).Deno?.jupyter
  } catch {
    // In Deno without a notebook, the question is an error.
    return undefined
  }
}

/** tslab hands itself to cells alone, by the `require` that they have. */
function tslabItself(): Tslab | undefined {
  try {
    // By another name, as bundlers look for calls of `require`.
    const { require: load } = (globalThis as { __tslab__?: { require?(name: string): Tslab } }).__tslab__ ?? {}
    return load?.('tslab')
  } catch {
    return undefined
  }
}
