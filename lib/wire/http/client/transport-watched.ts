import { Register } from '../../../stream/register.js'
import type { Scope } from '../../../stream/scope.js'
import { socketTo } from '../../address.js'
import { inTime, isAlive, Liveness, silence } from '../../liveness.js'
import { OPTIONS } from '../../probe.js'
import type { Received, Sending, Transport } from './transport.js'

/**
 * Sees to it that who owes an answer is there. HTTP has no pings, so a late one is asked for on another connection.
 * @param at which address behind the name of the URL
 * @param ask where there is nothing but `fetch`, or one of somebody's own that may take other ways: how to ask by it
 */
export function watched(transport: Transport, url: URL, at?: string, ask?: () => Promise<unknown>): Transport {
  const underWay = new Register<Scope>()
  const { host, port, secure } = socketTo(url)
  const here = (): Promise<boolean> => isAlive(at ?? host, port, secure, OPTIONS)
  const alive = ask === undefined ? here : async () => (await Promise.all([here().catch(() => false), inTime(ask())])).includes(true)
  let heard = 0
  const came = (): void => void heard++
  const gone = (): void => {
    const reason = silence(url.href.replace(/\/$/, ''))
    for (const scope of underWay) scope.abort(reason)
    // What stands there idle is as dead.
    void transport.close()
  }
  const liveness = new Liveness(() => heard, alive, gone)
  // An answer counts until its head is there, and while its body is read: whoever leaves it unread waits for nothing.
  const during = async <V>(scope: Scope, work: () => Promise<V>): Promise<V> => {
    const left = underWay.enter(scope)
    liveness.enter()
    try {
      return await work()
    } catch (error) {
      throw scope.aborted ? scope.reason : error
    } finally {
      left()
      liveness.leave()
    }
  }
  return {
    async send(sending: Sending, scope: Scope): Promise<Received> {
      if (scope.aborted) throw scope.reason
      const received = await during(scope, () => transport.send(sending, scope))
      came()
      async function* chunks(): AsyncGenerator<Uint8Array> {
        const left = underWay.enter(scope)
        liveness.enter()
        try {
          for await (const chunk of received.chunks()) {
            came()
            yield chunk
          }
        } catch (error) {
          throw scope.aborted ? scope.reason : error
        } finally {
          left()
          liveness.leave()
        }
      }
      const { status, length } = received
      return { status, length, header: (name) => received.header(name), chunks, whole: (limit) => during(scope, () => received.whole(limit, came)) }
    },
    close() {
      liveness.close()
      return transport.close()
    },
  }
}
