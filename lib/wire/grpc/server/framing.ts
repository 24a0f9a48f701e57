import type { ServerHttp2Stream } from 'node:http2'

const INTERNAL_ERROR = 2
/** Of each message: whether it is packed, and its length in four bytes. */
const PREFIX = 5

/**
 * Resets a call whose messages are framed wrongly, which clients see as INTERNAL: grpc-js takes any flag for one it knows, and a message that
 * is cut off for none, so that a stream would end well with fewer answers than it had requests.
 * @param packed whether the client said how messages are packed
 */
export function checkFraming(stream: ServerHttp2Stream, packed: boolean): void {
  let prefix = 0
  let length = 0
  let missing = 0
  stream.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (missing > 0) {
        const here = Math.min(missing, chunk.length - at)
        missing -= here
        at += here
        continue
      }
      const byte = chunk[at++]!
      if (prefix++ === 0) {
        length = 0
        if (byte > 1 || (byte === 1 && !packed)) return broken(stream)
      } else length = length * 256 + byte
      if (prefix < PREFIX) continue
      prefix = 0
      missing = length
    }
  })
  stream.on('end', () => {
    if (prefix + missing > 0) broken(stream)
  })
}

function broken(stream: ServerHttp2Stream): void {
  // Refused already, for its length for instance.
  if (!stream.writableEnded && !stream.destroyed) stream.close(INTERNAL_ERROR)
}
