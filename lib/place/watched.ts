import { FRAME, frameKinds } from '../wire/port/frames.js'
import { type Pulse, REQUESTS, watch } from './watchdog.js'

/** A worker that is watched. */
export interface Watched {
  /** Bytes of frames that go to it. */
  sent(bytes: Uint8Array): void
  /** Bytes of frames that come from there. */
  came(bytes: Uint8Array): void
  end(): void
}

/**
 * Watches a worker by what goes to it and comes from there: so a request counts that it never began with.
 * @param pulse where its turns are counted
 * @param silent called once, as `watch` says it, with what it did in words: see `WorkerEnd`
 */
export function watchWorker(pulse: Pulse, after: number, silent: (how: string) => void): Watched {
  const sent = frameKinds((kind) => {
    if (kind === FRAME.call) pulse[REQUESTS]!++
  })
  const came = frameKinds((kind) => {
    if (kind === FRAME.answer || kind === FRAME.refusal) pulse[REQUESTS]!--
  })
  const end = watch(pulse, after, () => silent(`said nothing for ${after} ms while it had requests (unresponsiveAfter)`))
  return { sent, came, end }
}
