import { check, integers, milliseconds, object, patience, type Rule, string } from '../../base/check.js'
import { optionRange, optionType } from '../../base/errors.js'
import type { Logger } from '../../base/logger.js'
import { checkNamed } from '../../base/misspelled.js'
import { DEFAULT_PREFETCH } from '../../post/options.js'
import { type Address, addressOf } from '../address.js'
import { CONNECT_RULES, type ConnectOptions } from '../connect-options.js'
import { CONNECT_TIMEOUT, KEEPALIVE, MAX_MESSAGE_BYTES } from '../defaults.js'
import { MAX_DOCUMENTS } from '../documents.js'
import { heard } from '../error-listener.js'
import type { NatsAsking, NatsDurable, NatsServing } from '../remote-options.js'
import type { SpeakerOptions } from '../speaker.js'
import type { ClientTls } from '../tls-options.js'
import { durability } from './durable/numbers.js'
import { NATS_RULES, named, natsRule, together } from './rules.js'
import { type Subjects, subjectsOf } from './subjects.js'

/** What {@link connect} can be told. */
export interface NatsConnectOptions extends ConnectOptions {
  nats?: NatsAsking | undefined
  keepalive?: number | undefined
}

/** What the server's end is told. */
export interface NatsSpeakerOptions extends SpeakerOptions {
  nats: NatsServing
  /** Milliseconds between pings to the server of NATS. Default 30 000; 0 asks nobody. */
  keepalive?: number | undefined
  logger?: Logger | undefined
  /** What it says that it does, to who asks all who are there. Default: nothing. @param live as `/status?live=` of HTTP has it */
  status?: ((live: string) => Promise<object>) | undefined
}

/** How both ends reach a server of NATS. */
export interface LinkSettings {
  /** Such as `nats://127.0.0.1:4222/default/encode`: as it is shown. */
  readonly address: string
  readonly host: string
  readonly port: number
  readonly subjects: Subjects
  readonly tls: ClientTls | undefined
  readonly nats: NatsAsking
  readonly connectTimeout: number
  readonly keepalive: number
  readonly logger: Logger | undefined
}

export type ClientSettings = ReturnType<typeof clientSettings>
export type ServerSettings = ReturnType<typeof serverSettings>

/** The same of who serves: an address, or with more. */
export function natsServingRule(name: string, value: unknown): void {
  if (typeof value === 'string') return void natsAddress(name, value)
  object(name, value)
  const given = value as Exclude<NatsServing, string>
  const rules = { ...NATS_RULES, address: string, tls: CONNECT_RULES.tls, connectTimeout: patience, durable }
  together(name, checkNamed(name, given, named(name, rules)))
  if (given.address === undefined) throw optionType(`${name}.address`, "given: 'nats://my.host/<flow>/<executor>'", undefined)
  natsAddress(`${name}.address`, given.address)
}

const integer = integers(1, 0x7fffffff)
const DURABLE_RULES: Record<keyof NatsDurable, Rule> = { prefetch: integer, attempts: integer, ackWait: integers(300, 0x7fffffff), keep: integer }

function durable(name: string, value: unknown): void {
  if (typeof value === 'boolean') return
  object(name, value)
  checkNamed(name, value as NatsDurable, named(name, DURABLE_RULES))
}

function natsAddress(name: string, value: string): Address {
  const address = addressOf({ host: value })
  if (address.protocol !== 'nats') throw optionRange(name, 'an address of NATS, such as nats://my.host/<flow>/<executor>', value)
  subjectsOf(address.path ?? '', undefined, value)
  return address
}

function linkSettings(
  written: string,
  { nats = {}, tls, connectTimeout, keepalive, logger }: Pick<NatsConnectOptions, 'nats' | 'tls' | 'connectTimeout' | 'keepalive' | 'logger'>,
): LinkSettings {
  const address = natsAddress('The address', written)
  const { host, port, path = '' } = address
  const shown = `nats${address.tls ? 's' : ''}://${host}:${port}${path}`
  const secure = typeof tls === 'object' ? tls : tls === true || address.tls ? {} : undefined
  return {
    address: shown,
    // An address of IPv6 has brackets in URLs only.
    host: host.replace(/^\[|\]$/g, ''),
    port,
    subjects: subjectsOf(path, nats.prefix, written),
    tls: secure,
    nats,
    connectTimeout: connectTimeout ?? CONNECT_TIMEOUT,
    keepalive: keepalive ?? KEEPALIVE,
    logger,
  }
}

/** @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option */
export function clientSettings(address: string, options: NatsConnectOptions) {
  const given = check('connect()', options, { ...CONNECT_RULES, nats: natsRule, keepalive: milliseconds, compression: () => {} })
  return {
    ...linkSettings(address, given),
    headers: given.headers ?? {},
    timeout: given.timeout,
    maxMessageBytes: given.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    token: given.token,
    forwardIdentity: given.forwardIdentity,
  }
}

/** All options of the server's end, with their defaults. */
export function serverSettings({ nats: given, ...options }: NatsSpeakerOptions) {
  const { address, tls, connectTimeout, durable, ...nats } = typeof given === 'string' ? ({ address: given } as Exclude<NatsServing, string>) : given
  return {
    ...linkSettings(address, { nats, tls, connectTimeout, keepalive: options.keepalive, logger: options.logger }),
    maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    maxDocuments: options.maxDocuments ?? MAX_DOCUMENTS,
    maxJsonBytes: Infinity,
    prefetch: options.prefetch || DEFAULT_PREFETCH,
    durable: durability(durable),
    exposeStacks: options.exposeStacks ?? false,
    status: options.status,
    onError: heard(options.onError ?? ((error: Error) => console.error(error))),
  }
}
