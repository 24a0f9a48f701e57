import { VERSION } from '../base/version.js'
import { LEASE, LEASES, type Sent, type Wanted } from '../place/daemon-protocol.js'
import { isImageName } from '../place/docker.js'
import { Refusal } from '../wire/outcome.js'
import { partsOf } from './paths.js'

/** Whether an executor may go by it: no folder of another name is touched. */
export function isId(text: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(text)
}

/**
 * What a Flow wants to run, as it says it, or a record.
 * @param maxMemory the most bytes for the heap of one process, or for one container, and how many it has that says none
 * @throws Refusal
 */
export function wantedOf(said: unknown, maxMemory: number | undefined): Wanted {
  const { version, name, lease = LEASE, replicas, folder = '', memory = maxMemory, image } = Object(said) as Partial<Record<keyof Wanted, unknown>>
  const refuse = (reason: string): Refusal => new Refusal('invalid', reason)
  if (version !== VERSION) throw refuse(`This daemon is of sluice ${VERSION}, and the Flow of ${String(version).slice(0, 40)}. Install one version at both`)
  if (typeof name !== 'string' || !/^[A-Za-z_][\w-]{0,254}$/.test(name)) throw refuse('name must be that of an executor')
  if (!isWhole(replicas, 1, 1000)) throw refuse(`${name}: replicas must be an integer from 1 to 1000`)
  if (!isWhole(lease, ...LEASES)) throw refuse(`${name}: lease must be an integer of milliseconds from ${LEASES.join(' to ')}`)
  if (memory !== undefined && !isWhole(memory, 1, Number.MAX_SAFE_INTEGER)) throw refuse(`${name}: memory must be a number of bytes`)
  if (memory !== undefined && memory > (maxMemory ?? Infinity))
    throw refuse(`${name} wants ${memory} bytes of memory, and one may have ${maxMemory} (maxMemory)`)
  if (typeof folder !== 'string') throw refuse(`${name}: folder must be a path`)
  if (folder !== '') partsOf(folder)
  if (image !== undefined && (typeof image !== 'string' || !isImageName(image))) throw refuse(`${name}: image must name one, such as registry.example/ocr:1`)
  return { version, name, lease, replicas, folder, ...(memory !== undefined && { memory }), ...(image !== undefined && { image }) }
}

/** What a Flow says that it has sent. @throws Refusal */
export function sentOf(said: unknown): Sent {
  const { files, bytes } = Object(said) as Partial<Record<keyof Sent, unknown>>
  if (!isWhole(files, 0, Number.MAX_SAFE_INTEGER) || !isWhole(bytes, 0, Number.MAX_SAFE_INTEGER))
    throw new Refusal('invalid', 'files and bytes must say how much was sent')
  return { files, bytes }
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}
