import type { Plugin } from 'graphql-yoga'
import { clearInterval, setInterval } from '../../../base/clock.js'

/** By which Apollo's links say that they take a subscription so: in `accept`, and in the answer. */
const SPEC = 'subscriptionSpec'
const TYPE = `multipart/mixed;boundary="graphql";${SPEC}="1.0"`

const BEGIN = '\r\n--graphql'
const PART = '\r\ncontent-type: application/json\r\n\r\n'
/** Nothing: keeps the connection open. */
const HEARTBEAT = '{}'
/** Milliseconds between those, as of server-sent events. */
const BEAT = 12_000

/** What a subscription sends; it says itself how it is written. */
interface Sent {
  stringify?: (result: unknown) => string
}

type Stream = AsyncIterable<Sent>

/**
 * Answers subscriptions as Apollo's `HttpLink` asks for them when nobody told it another way: parts of one answer over HTTP. Each part has a result as its
 * `payload`; https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol has it written down. A part is made when the last one
 * was read, and who leaves ends the subscription, as with server-sent events.
 */
export function multipart(): Plugin {
  return {
    onResultProcess({ request, result, setResultProcessor }) {
      const accept = request.headers.get('accept') ?? ''
      if (!isStream(result) || !accept.includes(SPEC) || accept.includes('text/event-stream')) return
      setResultProcessor((stream, { Response, ReadableStream, TextEncoder }) => {
        const results = (stream as unknown as Stream)[Symbol.asyncIterator]()
        const encoder = new TextEncoder()
        let beat: ReturnType<typeof setInterval> | undefined
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            const write = (text: string): void => controller.enqueue(encoder.encode(text))
            write(`${BEGIN}${PART}${HEARTBEAT}`)
            beat = setInterval(() => {
              if ((controller.desiredSize ?? 0) > 0) write(`${BEGIN}${PART}${HEARTBEAT}`)
            }, BEAT)
          },
          async pull(controller) {
            try {
              const { done, value } = await results.next()
              if (value !== undefined && value !== null)
                controller.enqueue(encoder.encode(`${BEGIN}${PART}{"payload":${value.stringify?.(value) ?? JSON.stringify(value)}}`))
              if (!done) return
              clearInterval(beat)
              controller.enqueue(encoder.encode(`${BEGIN}--\r\n`))
              controller.close()
            } catch (error) {
              clearInterval(beat)
              controller.error(error)
            }
          },
          async cancel(reason) {
            clearInterval(beat)
            await results.return?.(reason)
          },
        })
        return new Response(body, { headers: { 'content-type': TYPE, 'cache-control': 'no-cache' } })
      }, 'multipart/mixed')
    },
  }
}

function isStream(result: unknown): boolean {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result
}
