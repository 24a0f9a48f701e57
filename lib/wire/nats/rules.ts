import { flag, object, type Rule, string } from '../../base/check.js'
import { OptionTypeError, optionRange, optionType } from '../../base/errors.js'
import { checkNamed } from '../../base/misspelled.js'
import type { NatsAsking, NatsOptions } from '../remote-options.js'

export const NATS_RULES: Record<keyof NatsOptions, Rule> = {
  servers(name, value) {
    if (!Array.isArray(value) || !value.every((server) => typeof server === 'string' && /^[^\s/@]+$/.test(server)))
      throw optionType(name, "a list of servers such as ['nats-2:4222']", value)
  },
  prefix: words('team.sluice'),
  inboxPrefix: words('_INBOX.anna'),
  token: secret,
  tokenFile: file,
  user: string,
  password: secret,
  nkeyFile: file,
  credentialsFile: file,
}

/** In front of subjects. @param example one of them */
function words(example: string): Rule {
  return (name, value) => {
    string(name, value)
    if (!/^[\w-]+(\.[\w-]+)*$/.test(value)) throw optionRange(name, `words of letters, digits, _ and - with points between them, such as '${example}'`, value)
  }
}

/** What it holds is not shown. */
function secret(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw new OptionTypeError(`${name} must be a text that is not empty. Is the variable set that it comes from?`)
}

function file(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw optionType(name, 'the name of a file', value)
}

/** What shows who connects: of each server, one way. */
const SHOWN = ['token', 'tokenFile', 'user', 'nkeyFile', 'credentialsFile'] as const

/** @throws OptionTypeError, OptionRangeError that name the option */
export function natsRule(name: string, value: unknown): void {
  object(name, value)
  const given = checkNamed(name, value as NatsAsking, named(name, { ...NATS_RULES, durable: flag, job }))
  together(name, given)
  if (given.job !== undefined && !given.durable)
    throw new OptionTypeError(`${name}.job must be left out without ${name}.durable: nothing is kept that it could come back for`)
}

function job(name: string, value: unknown): void {
  string(name, value)
  if (!/^[\w-]{1,64}$/.test(value as string)) throw optionRange(name, 'up to 64 letters, digits, _ and -', value)
}

/** With the names that somebody sees who gave them. */
export function named<R extends Record<string, Rule>>(name: string, rules: R): R {
  return Object.fromEntries(Object.entries(rules).map(([part, rule]) => [part, (_: string, value: unknown) => rule(`${name}.${part}`, value)])) as R
}

/** What they say together. */
export function together(name: string, options: NatsOptions): void {
  const given = SHOWN.filter((one) => options[one] !== undefined)
  if (given.length > 1) throw new OptionTypeError(`${name}.${given[0]} and ${name}.${given[1]} both show who connects. Keep one of them`)
  if ((options.user === undefined) !== (options.password === undefined)) throw new OptionTypeError(`${name}.user and ${name}.password go together`)
}
