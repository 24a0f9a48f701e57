import { missing } from '../base/dependency.js'
import { packageOfNode } from '../base/node.js'

type Name = Extract<Parameters<typeof packageOfNode>[0], `@opentelemetry/${string}`>
type Package<N extends Name> = ReturnType<typeof packageOfNode<N>>

/**
 * A package of OpenTelemetry, all of which are optional.
 * @throws DependencyError (`ERR_DEPENDENCY`) where it is not installed
 */
export function peer<N extends Name>(name: N): Package<N> {
  return packageOfNode(name).catch((cause) => {
    throw missing(name, 'For telemetry by OpenTelemetry', cause)
  }) as Package<N>
}
