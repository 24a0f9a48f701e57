import type { ServerHttp2Stream } from 'node:http2'
import { nextTurn } from '../../../base/clock.js'

const NO_ERROR = 0

/**
 * Answers a call before grpc-js hears of it, and reads nothing of what still comes.
 * @param more headers beside the status
 */
export function turnAway(stream: ServerHttp2Stream, code: number, message: string, more: Readonly<Record<string, string>> = {}): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto', 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message), ...more },
    { endStream: true },
  )
  // A turn later: Node 22 and 26 drop headers that the end of their stream is sent behind in the same one, and the caller would hear no status.
  nextTurn(() => stream.destroyed || stream.close(NO_ERROR))
}
