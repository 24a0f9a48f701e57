import { FlowBuildError } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { type Step, sort } from '../graph/graph.js'
import { GATEWAY } from '../request/route.js'
import type { ReadStep } from './steps.js'

/**
 * Checks who needs whom. Names may be needed before they are given, so this waits for the last.
 * @throws ConfigError
 */
export function checkNeeds(executors: readonly string[], steps: readonly Step[], read: readonly ReadStep[]): void {
  const names = [...executors, GATEWAY]
  for (const [at, { name, needs }] of steps.entries()) {
    const { fields } = read[at]!
    const missing = needs.find((need) => !names.includes(need))
    if (missing !== undefined) {
      const near = nearest(missing, names)
      throw fields.error('needs', `there is no executor called ${missing}. ${near === undefined ? `There are ${names.join(', ')}` : `Did you mean ${near}?`}`)
    }
    if (needs.includes(name)) throw fields.error('needs', `${name} needs itself. Name another executor, or ${GATEWAY}`)
  }
  try {
    sort(steps)
  } catch (error) {
    const circle = steps.findIndex((_, at) => isCircle(steps.slice(0, at + 1)))
    throw error instanceof FlowBuildError && circle >= 0 ? read[circle]!.fields.error('needs', error.message, error) : error
  }
}

/** Whether steps need each other in a circle, whatever else they need. */
function isCircle(steps: readonly Step[]): boolean {
  const names = new Set(steps.map(({ name }) => name))
  try {
    sort(steps.map((step) => ({ ...step, needs: step.needs.filter((need) => names.has(need)) })))
    return false
  } catch {
    return true
  }
}
