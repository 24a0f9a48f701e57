import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Keys } from '../config/keys.js'
import { integer } from './usage.js'

/** Which options of a table are flags of the command line, by their names, and what each takes; `''` is nothing. */
export type Flags = Readonly<Record<string, 'n' | 'n|auto' | 'ms' | 'text' | 'how' | 'version' | 'on|off' | 'share' | ''>>

/** Under which title the help has them; the others stand among its options. */
const titleOf = (name: string, takes: string): string | undefined =>
  takes === 'ms' ? 'Times, in milliseconds:' : /^(max|prefetch|concurrency)/.test(name) ? 'Limits:' : undefined

/** Adds them, with what the keys of YAML say of each. */
export function withFlags(command: Command, flags: Flags, keys: Keys): Command {
  for (const [name, takes] of Object.entries(flags)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}${takes === '' ? '' : ` <${takes}>`}`
    const option = new Option(flag, said(keys[name]!.about, takes))
    const read = READERS[takes]
    // What begins with "no" would be taken for the opposite of something.
    Object.assign(option, { negate: false, attributeName: () => name, helpGroupHeading: titleOf(name, takes) })
    command.addOption(read === undefined ? option : option.argParser(read))
  }
  return command
}

/** What was said of them. */
export function flagged<F extends Flags, O extends { readonly [N in keyof F]?: unknown }>(options: O, flags: F): Pick<O, keyof F & keyof O> {
  return Object.fromEntries(Object.keys(flags).flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))) as never
}

const READERS: Partial<Record<string, (text: string) => unknown>> = {
  n: integer,
  'n|auto': (text) => (text === 'auto' ? text : integer(text)),
  ms: integer,
  share: (text) => {
    if (text.trim() === '' || !(Number(text) >= 0)) throw new InvalidArgumentError('It is a number from 0, or Infinity.')
    return Number(text)
  },
  'on|off': (text) => {
    if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('It is on or off.')
    return text === 'on'
  },
}

/** As a line of help: `Bytes of one answer. Default 100 MiB.` is `bytes of one answer (default: 100 MiB)`. */
function said(about: string, takes: string): string {
  const [, what, preset] = /^(.*?)(?:\. Default:? (.*))?\.$/s.exec(about)!
  const line = `${what![0]!.toLowerCase()}${what!.slice(1)}`
  if (preset === undefined || preset.startsWith('false')) return line
  // As it is written there.
  return `${line} (default: ${takes === 'on|off' ? preset.replace(/^true/, 'on') : preset})`
}
