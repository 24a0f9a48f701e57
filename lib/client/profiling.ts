import { now } from '../base/clock.js'
import type { Post } from '../post/post.js'

/** Where the time of a request went, in milliseconds. */
export interface Profile {
  /** From the call to the answer. */
  readonly roundtrip: number
  /** Of that, between client and server. */
  readonly network: number
  /** In the server. */
  readonly server: number
  /** Of that, between the server and its executors. */
  readonly graph: number
  /** In each executor. */
  readonly executors: Readonly<Record<string, number>>
}

/** Sends one document, and reads the routes of the response. The first request, which connects, is not counted. */
export async function profile(post: (on: string) => Post): Promise<Profile> {
  await post('/').drain()
  const start = now()
  const [response] = await post('/').toArray()
  const roundtrip = now() - start
  const times = (response?.routes ?? []).map(
    ({ executor, startTime, endTime }) => [executor, endTime === undefined ? 0 : endTime.getTime() - startTime.getTime()] as const,
  )
  const server = times.find(([executor]) => executor === 'gateway')?.[1] ?? 0
  const executors = times.filter(([executor]) => executor !== 'gateway')
  const inExecutors = executors.reduce((sum, [, time]) => sum + time, 0)
  return {
    roundtrip,
    network: Math.max(0, roundtrip - server),
    server,
    graph: Math.max(0, server - inExecutors),
    executors: Object.fromEntries(executors),
  }
}
