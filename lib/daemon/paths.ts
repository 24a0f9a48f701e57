import { Refusal } from '../wire/outcome.js'

/** As file systems have it. */
const LONGEST = 255
/** Folders within folders. */
const DEEPEST = 32

/**
 * The parts of a path that a Flow names, below its own folder: no way leads out of it, on whatever system it was written.
 * @throws Refusal for what is no such path
 */
export function partsOf(path: string): string[] {
  const parts = path.split('/')
  const bad = parts.find((part) => part === '' || part === '.' || part === '..' || BAD.test(part) || Buffer.byteLength(part) > LONGEST)
  if (bad !== undefined || parts.length > DEEPEST)
    throw new Refusal('invalid', `${JSON.stringify(path.slice(0, LONGEST))} is no path below the folder of an executor, such as models/small.bin`)
  return parts
}

/** What parts paths or names drives on some system, or cannot be seen. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BAD = /[\\/:\u0000-\u001f\u007f]/
