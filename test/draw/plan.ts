import type { FlowOptions, Plan } from '../../lib/flow/options.js'

/** A plan as a Flow makes it of what `add()` was given. */
export function planOf(steps: readonly Record<string, any>[], options: FlowOptions = {}): Plan {
  const added: any[] = []
  for (const step of steps) {
    const last = added.filter(({ floating }) => !floating).at(-1)?.name ?? 'gateway'
    added.push({
      name: step.name ?? `executor${added.length}`,
      needs: step.needs === undefined ? [last] : [step.needs].flat(),
      join: step.join ?? 'concat',
      floating: step.floating ?? false,
      options: step,
    })
  }
  return { name: options.name ?? 'flow', options, steps: added }
}
