import { Register } from '../../../stream/register.js'
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
  const underWay = new Register<(reason: unknown) => void>()
  const { host, port, secure } = socketTo(url)
  const here = (): Promise<boolean> => isAlive(at ?? host, port, secure, OPTIONS)
  const alive = ask === undefined ? here : async () => (await Promise.all([here().catch(() => false), inTime(ask())])).includes(true)
  let heard = 0
  const gone = (): void => {
    const reason = silence(url.href.replace(/\/$/, ''))
    for (const abort of underWay) abort(reason)
    // What stands there idle is as dead.
    void transport.close()
  }
  const liveness = new Liveness(() => heard, alive, gone)
  return {
    async send(sending: Sending, signal: AbortSignal): Promise<Received> {
      const controller = new AbortController()
      const abort = (reason: unknown): void => controller.abort(reason)
      const stop = (): void => abort(signal.reason)
      // An answer counts until its head is there, and while its body is read: whoever leaves it unread waits for nothing.
      const enter = (): (() => void) => {
        const left = underWay.enter(abort)
        liveness.enter()
        return () => {
          left()
          liveness.leave()
        }
      }
      const failed = (error: unknown): unknown => (controller.signal.aborted ? controller.signal.reason : error)
      if (signal.aborted) throw signal.reason
      signal.addEventListener('abort', stop)
      const leave = enter()
      let received: Received
      try {
        received = await transport.send(sending, controller.signal)
        heard++
      } catch (error) {
        signal.removeEventListener('abort', stop)
        throw failed(error)
      } finally {
        leave()
      }
      async function* chunks(): AsyncGenerator<Uint8Array> {
        const leave = enter()
        try {
          for await (const chunk of received.chunks()) {
            heard++
            yield chunk
          }
        } catch (error) {
          throw failed(error)
        } finally {
          leave()
          signal.removeEventListener('abort', stop)
        }
      }
      return { status: received.status, header: (name) => received.header(name), chunks }
    },
    close() {
      liveness.close()
      return transport.close()
    },
  }
}
