import { FlowBuildError } from '../base/errors.js'
import { ELSEWHERE_RULES, type Plan } from '../flow/options.js'

/** What only a Flow that runs an executor can do for it. */
export const ONLY_HERE = ['uses', 'usesWith', 'usesMetas', 'usesRequests', 'parallel', 'replicas', 'shards', 'workspace', 'env'] as const

/** What only an executor elsewhere can be told: where it is, and how it is spoken to. */
export const ONLY_ELSEWHERE = Object.keys(ELSEWHERE_RULES) as (keyof typeof ELSEWHERE_RULES)[]

/** @throws FlowBuildError (`ERR_USES_INVALID`) for options that would have no effect, as the executor runs elsewhere, or does not */
export function checkPlace({ name, options }: Plan['steps'][number]): void {
  const idle = (options.external ? ONLY_HERE : ONLY_ELSEWHERE).filter((option) => options[option] !== undefined)
  if (idle.length === 0) return
  const named = idle.join(', ')
  const reason = options.external
    ? `is external: what runs at its address is configured there, and as often as host and port name it. Take ${named} out`
    : `runs here, where ${named} would do nothing. Say external: true if it runs elsewhere, or take ${named} out`
  throw new FlowBuildError('ERR_USES_INVALID', `${name} ${reason}`)
}
