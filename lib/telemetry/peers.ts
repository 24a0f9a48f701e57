import { DependencyError, say } from '../base/errors.js'
import { packageOfNode } from '../base/node.js'

type Name = Extract<Parameters<typeof packageOfNode>[0], `@opentelemetry/${string}`>
type Package<N extends Name> = ReturnType<typeof packageOfNode<N>>

/**
 * A package of OpenTelemetry, all of which are optional.
 * @throws DependencyError (`ERR_DEPENDENCY`) where it is not installed
 */
export function peer<N extends Name>(name: N): Package<N> {
  return packageOfNode(name).catch((cause) => {
    throw new DependencyError(name, `For telemetry by OpenTelemetry, the package ${name} is needed: npm install ${name} (${say(cause)})`, { cause })
  }) as Package<N>
}
