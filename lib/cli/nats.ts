import type { Command } from 'commander'
import { textOfFile } from '../base/text-file.js'
import type { NatsAsking, NatsOptions, NatsServing } from '../wire/remote-options.js'
import { list, Usage } from './usage.js'

/** How a server of NATS is reached, as the command line says it. */
export interface NatsFlags {
  natsPrefix?: string
  natsInboxPrefix?: string
  natsServers?: string[]
  natsTokenFile?: string
  natsNkeyFile?: string
  natsCredentialsFile?: string
  natsTlsCa?: string
  natsTlsKey?: string
  natsTlsCert?: string
  durable?: true
  job?: string
}

/** The same for those who serve and those who ask. */
export function natsOptions(command: Command): Command {
  return command
    .option('--nats-prefix <words>', 'over NATS: the words in front of all subjects, the same at both ends (default: sluice)')
    .option('--nats-inbox-prefix <words>', 'in front of the subjects at which this end alone hears, such as _INBOX.anna (default: _INBOX)')
    .option('--nats-servers <list>', 'others of its cluster, with commas (default: those that the server tells of)', list)
    .option('--nats-token-file <file>', 'the file of its token (default: the token in NATS_TOKEN, or none)')
    .option('--nats-nkey-file <file>', "the file of an nkey's seed")
    .option('--nats-credentials-file <file>', "the file of a user's credentials (.creds)")
}

function given({ natsPrefix, natsInboxPrefix, natsServers, natsTokenFile, natsNkeyFile, natsCredentialsFile }: NatsFlags): NatsOptions | undefined {
  const isShown = (natsTokenFile ?? natsNkeyFile ?? natsCredentialsFile) !== undefined
  const all = {
    prefix: natsPrefix,
    inboxPrefix: natsInboxPrefix,
    servers: natsServers,
    token: isShown ? undefined : process.env.NATS_TOKEN || undefined,
    tokenFile: natsTokenFile,
    nkeyFile: natsNkeyFile,
    credentialsFile: natsCredentialsFile,
  }
  const said = Object.entries(all).filter(([, value]) => value !== undefined)
  return said.length === 0 ? undefined : Object.fromEntries(said)
}

/** Who asks is told by itself how TLS is spoken. @throws Usage */
export function askingNats(address: string, flags: NatsFlags): NatsAsking | undefined {
  const { durable, job } = flags
  const isNats = /^natss?:/i.test(address)
  const nats = given(flags)
  if (!isNats && Object.entries(flags).some(([name, value]) => /^(?:nats|durable|job)/.test(name) && value !== undefined))
    throw new Usage('--nats-…, --durable and --job go with an address of NATS: nats://host/<flow>/<executor>')
  if (!isNats || (nats ?? durable ?? job) === undefined) return undefined
  if (job !== undefined && !durable) throw new Usage('--job goes with --durable')
  return { ...nats, ...(durable && { durable }), ...(job !== undefined && { job }) }
}

/** What is put in a queue. */
export function queueOptions(command: Command): Command {
  return command
    .option('--durable', 'over NATS: put requests in a queue of its server (JetStream), which outlasts both ends')
    .option('--job <name>', 'with --durable: begun again under this name, it gets the answers that are there and that nobody has fetched')
}

/** @throws Usage for what does not go together; ConfigError for files that cannot be read */
export async function servingNats(address: string, flags: NatsFlags): Promise<NatsServing> {
  const { natsTlsCa, natsTlsKey, natsTlsCert } = flags
  if ((natsTlsKey === undefined) !== (natsTlsCert === undefined)) throw new Usage('--nats-tls-key and --nats-tls-cert go together')
  for (const file of [natsTlsCa, natsTlsKey, natsTlsCert]) if (file !== undefined) await textOfFile(file)
  const tls = natsTlsCa === undefined && natsTlsKey === undefined ? undefined : { caFile: natsTlsCa, keyFile: natsTlsKey, certFile: natsTlsCert }
  return { address, ...given(flags), ...(tls !== undefined && { tls }), ...(flags.durable && { durable: true }) }
}

/** Of those who serve: a gateway speaks TLS with keys of its own, and to the server of NATS with others. */
export function natsTlsOptions(command: Command): Command {
  return command
    .option('--durable', 'over NATS: take from a queue of its server, too (JetStream)')
    .option('--nats-tls-ca <file>', "whom to trust as the server of NATS, as PEM (default: the platform's authorities, with natss://)")
    .option('--nats-tls-key <file>', 'a key, as PEM, to show to it')
    .option('--nats-tls-cert <file>', 'its certificate, as PEM')
}
