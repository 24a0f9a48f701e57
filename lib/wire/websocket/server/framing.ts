import type { Framing } from '../../message-gate.js'

// A frame's header: RFC 6455, 5.2.
const FIN = 0x80
const PACKED = 0x40
const CONTINUATION = 0
const BINARY = 2
const CONTROL = 8
const MASKED = 0x80
const MASK = 4

/** Where the length of a frame ends in its header, which its second byte says. */
const lengthEnd = ([, second]: Uint8Array): number => ((second! & 0x7f) === 127 ? 10 : (second! & 0x7f) === 126 ? 4 : 2)

/** Frames of a client. What breaks the protocol, `ws` refuses itself. */
export const FRAMING: Framing = {
  most: 14,
  due: (header, here) => (here < 2 ? 2 : lengthEnd(header) + (header[1]! & MASKED ? MASK : 0)),
  length(header) {
    const end = lengthEnd(header)
    if (end === 2) return header[1]! & 0x7f
    let length = 0
    for (const byte of header.subarray(2, end)) length = length * 256 + byte
    return length
  },
  shortened(header, length) {
    if (header[0] !== (FIN | BINARY) || !(header[1]! & MASKED)) return undefined
    const end = lengthEnd(header)
    return Uint8Array.of(FIN | BINARY, MASKED | 126, length >> 8, length & 255, ...header.subarray(end, end + MASK))
  },
  plain(header, bytes) {
    const end = lengthEnd(header)
    return bytes.map((byte, at) => byte ^ header[end + (at % MASK)]!)
  },
}

/** What a frame is to its message. */
export function roleOf(header: Uint8Array): { readonly isControl: boolean; readonly isMore: boolean; readonly isLast: boolean; readonly isPacked: boolean } {
  const kind = header[0]! & 0x0f
  return { isControl: kind >= CONTROL, isMore: kind === CONTINUATION, isLast: (header[0]! & FIN) !== 0, isPacked: (header[0]! & PACKED) !== 0 }
}
