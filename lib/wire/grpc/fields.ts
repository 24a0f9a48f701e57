// The little of protobuf that health checks and reflection take. Documents have a codec of their own.

/** A field: its number, and a whole number or bytes. */
export type Field = readonly [number: number, value: number | Uint8Array]

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws Error for bytes that are no message */
export function readFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) throw new RangeError('a field is cut off')
      // What is beyond 2^53 is no number that anybody means here.
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number has no end')
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, type] = [Math.floor(tag / 8), tag % 8]
    if (number === 0) throw new RangeError('a field has the number 0')
    if (type === 0) fields.push([number, varint()])
    else {
      const length = type === 2 ? varint() : type === 1 ? 8 : type === 5 ? 4 : Number.NaN
      if (!(at + length <= bytes.length)) throw new RangeError('a field is cut off')
      fields.push([number, bytes.subarray(at, at + length)])
      at += length
    }
  }
  return fields
}

/** The text in the last field of a number, or nothing. */
export function textOf(fields: readonly Field[], wanted: number): string | undefined {
  const value = fields.findLast(([number]) => number === wanted)?.[1]
  return value instanceof Uint8Array ? utf8.decode(value) : undefined
}

/** A message of fields. Texts and messages are bytes to it; numbers are whole and not negative. */
export function writeFields(...fields: readonly (readonly [number: number, value: number | string | Uint8Array])[]): Buffer {
  const parts: Uint8Array[] = []
  for (const [number, value] of fields) {
    if (typeof value === 'number') parts.push(varintOf(number * 8), varintOf(value))
    else {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      parts.push(varintOf(number * 8 + 2), varintOf(bytes.length), bytes)
    }
  }
  return Buffer.concat(parts)
}

function varintOf(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}
