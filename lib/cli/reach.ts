import type { Command } from 'commander'
import { textOfFile } from '../base/text-file.js'
import type { Client, ClientOptions } from '../client/client.js'
import type { Docarray } from '../wire/docarray.js'
import { tokenFrom } from '../wire/tokens.js'
import { asUsage, header, tokens, Usage } from './usage.js'

/** How a server is reached. */
export interface Reach {
  header?: Record<string, string>
  tlsCa?: string
  tlsKey?: string
  tlsCert?: string
  docarray?: Docarray
  tokenFile?: string
}

export function reaching(command: Command): Command {
  return tokens(command, 'the file of the token to bring (default: the token in SLUICE_TOKEN, or none)')
    .argument('<address>', 'scheme, host and port: grpc://127.0.0.1:51000, http://… or ws://…; with TLS grpcs://, https:// or wss://')
    .option('--header <name=value>', 'a header, or gRPC metadata, such as a token; as often as needed', header)
    .option('--tls-ca <file>', "whom to trust, as PEM (default: the platform's authorities)")
    .option('--tls-key <file>', 'a key, as PEM, to show who asks, to servers that want to know')
    .option('--tls-cert <file>', 'its certificate, as PEM')
    .option('--docarray <version>', 'how documents are written over gRPC: v2 for servers with docarray 0.30 or later (default: v1)')
}

/** @throws Usage for what is no address; ConfigError for files that cannot be read */
export async function clientOf(
  address: string,
  { header: headers, tlsCa, tlsKey, tlsCert, docarray, tokenFile }: Reach,
  options: ClientOptions,
): Promise<Client> {
  if ((tlsKey === undefined) !== (tlsCert === undefined)) throw new Usage('--tls-key and --tls-cert go together')
  const [ca, key, cert] = await Promise.all([tlsCa, tlsKey, tlsCert].map((file) => (file === undefined ? undefined : textOfFile(file))))
  const tls = ca === undefined && key === undefined ? undefined : { ca, key, cert }
  const { Client } = await import('../client/client.js')
  const shown = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
  const token = tokenFile === undefined ? (shown ? undefined : ofEnvironment()) : tokenFrom(tokenFile)
  return asUsage(() => new Client(address, { ...options, headers, tls, docarray, token }))
}

/** The first of them: a server may know several. */
function ofEnvironment(): string | undefined {
  const [first] = process.env.SLUICE_TOKEN?.split(/[\s,]+/).filter((text) => text !== '') ?? []
  return first?.replace(/^[^:]*:/, '')
}
