type Fs = typeof import('node:fs')

/** Bytes of the file that lmdb puts beside each of its files, and maps into memory: it takes 8,272. What is more is only so many readers more. */
const LOCK = 3 << 12
/** What the first pages of a new file take beside it. */
const BESIDE = 16 << 12

/**
 * Sees to it that what lmdb puts beside a file has its room on the disk. lmdb would make it without, and the system ends a process that writes into such memory when
 * the disk is full. One that is there is left as it is.
 * @throws what the system throws, for a disk that is full
 */
export function makeRoom(fs: Fs, folder: string, file: string): void {
  if (globalThis.process.platform === 'win32') return
  const lock = `${file}-lock`
  const found = fs.statSync(lock, { throwIfNoEntry: false })
  // Somebody has written into it.
  if (found !== undefined && found.blocks > 0) return
  // Under its name only when it is whole: another process that opens the same writes into it at once.
  const made = `${folder}/.room-${globalThis.process.pid}-${Math.random().toString(36).slice(2)}`
  try {
    const descriptor = fs.openSync(made, 'wx', 0o664)
    try {
      const zeros = new Uint8Array(LOCK + BESIDE)
      for (let at = 0; at < zeros.length; ) at += fs.writeSync(descriptor, zeros, at)
      fs.fsyncSync(descriptor)
      fs.ftruncateSync(descriptor, LOCK)
    } finally {
      fs.closeSync(descriptor)
    }
    if (found === undefined) link(fs, made, lock)
  } finally {
    fs.rmSync(made, { force: true })
  }
}

function link(fs: Fs, from: string, to: string): void {
  try {
    fs.linkSync(from, to)
  } catch {
    // Another process was first, or there are no links on that disk: lmdb makes it.
  }
}
