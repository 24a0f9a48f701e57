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

/** How a server is reached. */
export interface Reach extends Far, NatsFlags {
  header?: Record<string, string>
  tlsCa?: string
  tlsKey?: string
  tlsCert?: string
  tokenFile?: string
}

export function reaching(command: Command): Command {
  const told = tokens(command, 'the file of the token to bring (default: the token in SLUICE_TOKEN, or none)')
    .argument(
      '<address>',
      'scheme, host and port: grpc://127.0.0.1:51000, http://…, ws://… or nats://…/<executor>; with TLS grpcs://, https://, wss:// or natss://',
    )
    .option('--header <name=value>', 'a header, or gRPC metadata, such as a token; as often as needed', header)
    .option('--tls-ca <file>', "whom to trust, as PEM (default: the platform's authorities)")
    .option('--tls-key <file>', 'a key, as PEM, to show who asks, to servers that want to know')
    .option('--tls-cert <file>', 'its certificate, as PEM')
  return withFlags(queueOptions(natsOptions(told)), FLAGS, REMOTE_KEYS)
}

/** @throws Usage for what is no address; ConfigError for files that cannot be read */
export async function clientOf(
  address: string,
  { header: headers, tlsCa, tlsKey, tlsCert, tokenFile, ...reach }: Reach,
  options: ClientOptions,
): Promise<Client> {
  if ((tlsKey === undefined) !== (tlsCert === undefined)) throw new Usage('--tls-key and --tls-cert go together')
  const [ca, key, cert] = await Promise.all([tlsCa, tlsKey, tlsCert].map((file) => (file === undefined ? undefined : textOfFile(file))))
  const tls = ca === undefined && key === undefined ? undefined : { ca, key, cert }
  const { Client } = await import('../client/client.js')
  const shown = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
  const token = tokenFile === undefined && !shown ? ofEnvironment() : undefined
  const client = asUsage(() => new Client(address, { ...flagged(reach, FLAGS), ...options, headers, tls, token, tokenFile, nats: askingNats(address, reach) }))
  // What it needs for that is missed before anything is read.
  if (reach.durable) await client.load()
  return client
}

/** The first of them: a server may know several. */
function ofEnvironment(): string | undefined {
  const [first] = process.env.SLUICE_TOKEN?.split(/[\s,]+/).filter((text) => text !== '') ?? []
  return first?.replace(/^[^:]*:/, '')
}
