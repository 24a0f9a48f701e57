import { asError, say } from '../base/errors.js'

/** Who hears of what is wrong with a server. A listener that throws must change nothing of what clients get, and must not end the process. */
export function heard(onError: (error: Error) => void): (error: unknown) => void {
  return (error) => {
    try {
      onError(asError(error))
    } catch (thrown) {
      console.error(`sluice: onError threw ${say(thrown)} when told: ${say(error)}`)
    }
  }
}
