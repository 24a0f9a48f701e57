/**
 * Which of several replicas a request goes to. `'ANY'`: the one that is likely to answer first. `'ALL'`: every one, and their answers
 * are united by id. `'ALL_ASYNC'`: every one, and the first answer goes on.
 */
export type Polling = 'ANY' | 'ALL' | 'ALL_ASYNC'

/** As options give it: for all endpoints, or by endpoint, `'*'` being all others. */
export type PollingOption = Polling | Lowercase<Polling> | Readonly<Record<string, Polling | Lowercase<Polling>>>

/** What an option given by endpoint says about one of them. */
export function forEndpoint<T>(byEndpoint: Readonly<Record<string, T>>, endpoint: string): T | undefined {
  const key = Object.hasOwn(byEndpoint, endpoint) ? endpoint : '*'
  return Object.hasOwn(byEndpoint, key) ? byEndpoint[key] : undefined
}

export function pollingFor(option: PollingOption | undefined, endpoint: string): Polling {
  const polling = typeof option === 'object' ? forEndpoint(option, endpoint) : option
  return (polling ?? 'ANY').toUpperCase() as Polling
}
