import { clearTimeout, setTimeout } from '../base/clock.js'
import { notOpen } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import type { Background } from '../graph/background.js'
import { runtimeOf } from '../place/options.js'
import { allOrNone } from '../stream/all-or-none.js'
import { Scope } from '../stream/scope.js'
import { ignore } from '../stream/thenable.js'
import { type Deployment, deploy } from './deployment.js'
import type { FlowOptions, Plan } from './options.js'

/** Who is told of what is begun. */
interface Deploying {
  readonly flow: FlowOptions
  readonly background: Background
  readonly served: boolean
  readonly logger: Logger | undefined
}

/** A Flow that opens, and may be closed before it is open. */
export class Opening {
  /** Aborts when the time is up that it had to open, once it was to close: what is begun is let go of. */
  readonly scope = new Scope()
  readonly #deployments: Deployment[] = []
  readonly #unwatch: () => void
  #late: ReturnType<typeof setTimeout> | undefined

  /**
   * @param closing aborts when the Flow is to close
   * @param time milliseconds that it has from then on
   */
  constructor(closing: Scope, time: number) {
    this.#unwatch = closing.watch((reason) => {
      for (const { parts } of this.#deployments) for (const part of parts) part.hurry?.()
      this.#late = setTimeout(() => this.scope.abort(reason), time)
    })
  }

  /**
   * Makes what stands at each place of the graph, side by side. What runs in this process is made in the order of the steps: constructors may count on it.
   * @throws what the first of the steps failed at; ExecutorError (`ERR_EXECUTOR_OPEN`) that names those that were not made in time
   */
  async deploy(steps: Plan['steps'], { flow, background, served, logger }: Deploying): Promise<readonly Deployment[]> {
    const names = new Set<string>()
    const late = new Set<string>()
    let before: Promise<unknown> = Promise.resolve()
    const begins = steps.map((step) => async (scope: Scope): Promise<Deployment> => {
      const make = async (): Promise<Deployment> => {
        if (scope.aborted) throw scope.reason
        return deploy(step, flow, background, names, served, logger, scope)
      }
      const made = runtimeOf(step.options, flow) === 'inline' ? before.then(make) : make()
      if (runtimeOf(step.options, flow) === 'inline') before = made.catch(ignore)
      try {
        return await made
      } catch (error) {
        late.add(step.name)
        throw error
      }
    })
    try {
      this.#deployments.push(...(await allOrNone(this.scope, begins, discard)))
    } catch (error) {
      if (!this.scope.aborted || late.size === 0) throw error
      const inOrder = steps.filter(({ name }) => late.has(name))
      throw notOpen(
        inOrder.map(({ name }) => name),
        error,
      )
    }
    return this.#deployments
  }

  /** It stands, or does not. */
  end(): void {
    this.#unwatch()
    clearTimeout(this.#late)
  }

  /** Lets go of what was begun: it may be threads and processes. */
  async discard(): Promise<void> {
    await Promise.all(this.#deployments.map(discard))
  }
}

async function discard({ parts }: Deployment): Promise<void> {
  await Promise.all(parts.map((part) => part.discard?.()))
}
