import type { Command } from 'commander'
import { textOfFile } from '../base/text-file.js'
import type { Client, ClientOptions } from '../client/client.js'
import { REMOTE_KEYS } from '../config/remote-keys.js'
import type { RemoteOptions } from '../wire/remote-options.js'
import { type Flags, flagged, withFlags } from './flags.js'
import { askingNats, type NatsFlags, natsOptions, queueOptions } from './nats.js'
import { asUsage, header, tokens, Usage } from './usage.js'

const FLAGS = {
  compression: 'how',
  maxMessageBytes: 'n',
  docarray: 'version',
  unary: '',
  breaker: 'on|off',
  connectTimeout: 'ms',
  keepalive: 'ms',
} as const satisfies Flags

type Far = Pick<RemoteOptions, keyof typeof FLAGS>

/** What is brought to a server, so that it lets in who asks, and whom of its certificates to trust. */
export interface Brought {
  header?: Record<string, string> | undefined
  tlsCa?: string | undefined
  tlsKey?: string | undefined
  tlsCert?: string | undefined
  tokenFile?: string | undefined
}

/** How a server is reached. */
export interface Reach extends Far, NatsFlags, Brought {}

export function reaching(command: Command): Command {
  const told = bringing(
    command.argument(
      '<address>',
      'scheme, host and port: grpc://127.0.0.1:51000, http://…, ws://… or nats://…/<executor>; with TLS grpcs://, https://, wss:// or natss://',
    ),
  )
  return withFlags(queueOptions(natsOptions(told)), FLAGS, REMOTE_KEYS)
}

export function bringing(command: Command): Command {
  return tokens(command, 'the file of the token to bring (default: the token in SLUICE_TOKEN, or none)')
    .option('--header <name=value>', 'a header, or gRPC metadata, such as a token; as often as needed', header)
    .option('--tls-ca <file>', "whom to trust, as PEM (default: the platform's authorities)")
    .option('--tls-key <file>', 'a key, as PEM, to show who asks, to servers that want to know')
    .option('--tls-cert <file>', 'its certificate, as PEM')
}

/** The same, as options in code have it. @throws Usage, ConfigError for files that cannot be read */
export async function broughtBy({ header: headers, tlsCa, tlsKey, tlsCert, tokenFile }: Brought) {
  if ((tlsKey === undefined) !== (tlsCert === undefined)) throw new Usage('--tls-key and --tls-cert go together')
  const [ca, key, cert] = await Promise.all([tlsCa, tlsKey, tlsCert].map((file) => (file === undefined ? undefined : textOfFile(file))))
  const tls = ca === undefined && key === undefined ? undefined : { ca, key, cert }
  const shown = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
  const token = tokenFile === undefined && !shown ? ofEnvironment() : undefined
  return { headers, tls, token, tokenFile }
}

/** @throws Usage for what is no address; ConfigError for files that cannot be read */
export async function clientOf(address: string, { header, tlsCa, tlsKey, tlsCert, tokenFile, ...reach }: Reach, options: ClientOptions): Promise<Client> {
  const brought = await broughtBy({ header, tlsCa, tlsKey, tlsCert, tokenFile })
  const { Client } = await import('../client/client.js')
  const client = asUsage(() => new Client(address, { ...flagged(reach, FLAGS), ...options, ...brought, nats: askingNats(address, reach) }))
  // What it needs for that is missed before anything is read.
  if (reach.durable) await client.load()
  return client
}

/** The first of them: a server may know several. */
function ofEnvironment(): string | undefined {
  const [first] = process.env.SLUICE_TOKEN?.split(/[\s,]+/).filter((text) => text !== '') ?? []
  return first?.replace(/^[^:]*:/, '')
}
