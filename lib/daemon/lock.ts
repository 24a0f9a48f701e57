import { OptionRangeError } from '../base/errors.js'
import { lock } from '../base/lock.js'

/**
 * Takes a folder for one daemon alone: two of one folder would remove each other's files.
 * @returns leaves it
 * @throws OptionRangeError (`ERR_OPTION_RANGE`) that names the folder and who has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const leave = await lock(`${folder}/lock`)
  if (typeof leave === 'string')
    throw new OptionRangeError(`folder must be that of one daemon, and ${leave} has ${folder}. Give each its own (--folder), or end that one`)
  return leave
}
