let prefix = ''
let count = 0

/**
 * A new id: 32 hex digits, as Jina's. 96 bits are drawn at random once in a while, 32 bits count up from there,
 * so that an id costs an addition and not a draw. Unique everywhere, but not secret: ids can be guessed from each other.
 */
export function newId(): string {
  if (prefix === '' || count === 0xffffffff) {
    prefix = ''
    for (const byte of crypto.getRandomValues(new Uint8Array(12))) prefix += byte.toString(16).padStart(2, '0')
    count = 0
  }
  const tail = (count++).toString(16)
  return prefix + '00000000'.slice(tail.length) + tail
}
