import { Gateway } from '../../lib/gateway/index.js'
import type { GatewayOptions } from '../../lib/gateway/options.js'
import { type Call, Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'

/** Served by every protocol: `hang` waits until its client leaves or the door opens, `bad` fails, others get a mark. */
export async function world(options: GatewayOptions = {}) {
  let arrived = deferred<void>()
  const door = deferred<void>()
  const calls: string[] = []
  const ended: string[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  const flow = await new Flow({ closeTimeout: 100 })
    .add({
      name: 'worker',
      uses: async ({ docs, signal }: Call) => {
        const [first = ''] = docs.texts
        calls.push(first)
        if (first === 'hang') {
          arrived.resolve()
          await Promise.race([door.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
          ended.push(first)
          for (const { count, resolve } of waiting) if (ended.length >= count) resolve()
        }
        if (docs.texts.includes('bad')) throw new TypeError('cannot do bad')
        for (const doc of docs) doc.text += '!'
      },
    })
    .open()
  const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, onError() {}, ...options })
  return {
    flow,
    gateway,
    /** First texts of all requests that came to the executor. */
    calls,
    ended,
    /** Until so many of those that hung have ended. */
    over: (count: number) => new Promise<void>((resolve) => (ended.length >= count ? resolve() : void waiting.push({ count, resolve }))),
    door,
    /** Until a request hangs in the executor. */
    arrived: () => arrived.promise,
    again() {
      arrived = deferred()
    },
    address: (way: string) => gateway.addresses[way === 'graphql' ? 'http' : way]!,
    async [Symbol.asyncDispose]() {
      door.resolve()
      await gateway.close(0)
      await flow.close()
    },
  }
}
