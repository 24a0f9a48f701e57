import { Hidden } from './hidden.js'
import type { Place } from './yaml.js'

/** Collects what a configuration says without effect: each key once. */
export class Notices {
  /** What neither they nor errors of the load tell. */
  readonly hidden = new Hidden()
  readonly #told = new Set<string>()
  readonly #waiting: string[] = []
  readonly #tell: ((notice: string) => void) | undefined

  /** @param tell is told at once. Default: console.warn, of all together, when {@link flush} is called */
  constructor(tell?: ((notice: string) => void) | undefined) {
    this.#tell = tell
  }

  note(what: string, reason: string, { file, line }: Place): void {
    if (this.#told.has(what)) return
    this.#told.add(what)
    const notice = this.hidden.in(`${file ?? 'configuration'}${line === undefined ? '' : `:${line}`}: ${what} has no effect: ${reason}`)
    if (this.#tell === undefined) this.#waiting.push(notice)
    else this.#tell(notice)
  }

  /** Once the load has succeeded. An error would hide them, or they it. */
  flush(): void {
    if (this.#waiting.length > 0) console.warn(this.#waiting.splice(0).join('\n'))
  }
}
