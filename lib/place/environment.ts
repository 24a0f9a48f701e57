import { FlowBuildError, show } from '../base/errors.js'

/**
 * Says no to what no process would have as it was given: a name with `=` would be another one there, an empty one ends some versions of node.
 * @param kind what the executor runs in, first word of it: `thread`, `process at https://gpu-box`, `container`
 * @throws FlowBuildError (`ERR_USES_INVALID`) that names it
 */
export function checkEnvironment(executor: string, kind: string, env: Readonly<Record<string, string>>): void {
  const isContained = kind.startsWith('container')
  const refuse = (reason: string): FlowBuildError => new FlowBuildError('ERR_USES_INVALID', `${executor} has ${reason}`)
  for (const [name, value] of Object.entries(env)) {
    // Docker takes one with * for several.
    if (name === '' || /[=\0]/.test(name) || (isContained && name.includes('*')))
      throw refuse(
        `env ${show(name)}, which a ${kind} cannot have. Names are without =${isContained ? ', *' : ''} and the character of number 0, and not empty`,
      )
    if (value.includes('\0')) throw refuse(`the character of number 0 in env ${name}, which no environment can have`)
  }
}
