import type { Code } from './module.js'

/** Where a class or function was loaded from: a file, or a package. */
export interface CodeOrigin {
  /** The path of the module, or `npm:package@version`. */
  readonly module: string
  /** The name under which it is exported there. */
  readonly name: string
  /** The path of the module, of a package too. */
  readonly file: string
}

const origins = new WeakMap<Code, CodeOrigin>()

/** Notes where something was loaded from, so that it can be written down again. */
export function remember(code: Code, origin: CodeOrigin): void {
  origins.set(code, origin)
}

export function originOf(code: Code): CodeOrigin | undefined {
  return origins.get(code)
}
