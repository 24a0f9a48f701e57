/** A number below `bound`, the same ones in every run. */
export function random(seed: number): (bound: number) => number {
  return (bound) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * bound)
  }
}

/** Bytes with something wrong: flipped, cut off, cut out, doubled, stuffed, or with a length that is none of theirs. */
export function mutated(from: Buffer, below: (bound: number) => number): Buffer {
  let bytes = Buffer.from(from)
  for (let times = 1 + below(3); times > 0; times--) {
    const at = below(bytes.length + 1)
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
    const kind = below(6)
    if (kind === 0 && at < bytes.length) bytes[at]! ^= 1 << below(8)
    else if (kind === 1) bytes = Buffer.from(before)
    else if (kind === 2) bytes = Buffer.concat([before, after.subarray(below(20))])
    else if (kind === 3) bytes = Buffer.concat([before, after.subarray(0, below(20)), after])
    else if (kind === 4) bytes = Buffer.concat([before, Buffer.alloc(below(20), 255), after])
    else bytes = Buffer.concat([before, Buffer.from([0x22, 0x7f]), after])
  }
  return bytes
}
