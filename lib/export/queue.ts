import { OptionTypeError } from '../base/errors.js'
import { NATS_TOKEN } from '../config/save.js'
import type { AddOptions, Plan } from '../flow/options.js'
import { CONSUMER, placesOf } from '../wire/nats/durable/queue.js'
import { subjectsOf } from '../wire/nats/subjects.js'
import type { ExportOptions, QueueExport, Trigger } from './options.js'
import { CREDENTIALS_FILE, dns, NATS_FOLDER, type SecretKey, type Surroundings, secretKey, type Unit } from './unit.js'

/** Messages that wait, or are worked on, for each pod: as many as one takes at once, unless it is told another `prefetch`. */
const LAG = '16'

/** Where executors take their work from: a server of NATS, and the name of the Flow there. */
export interface Queue extends Pick<QueueExport, 'prefix' | 'monitoring'> {
  readonly server: string
  readonly flow: string
  readonly token: SecretKey | undefined
  readonly credentials: SecretKey | undefined
}

/** @throws OptionTypeError where there is a queue, and nobody says where */
export function queueOf({ name }: Plan, { queue = false }: ExportOptions, around: Surroundings): Queue | undefined {
  if (queue === false) return undefined
  const { server = around.server, prefix, monitoring, token, credentials } = queue === true ? ({} as QueueExport) : queue
  if (server === undefined) throw new OptionTypeError("queue.server must be given: a server of NATS with JetStream, such as 'nats://nats.internal'")
  if (token !== undefined && credentials !== undefined) throw new OptionTypeError('queue.token and queue.credentials both show who connects. Keep one of them')
  return { server, flow: dns(name), prefix, monitoring, token: keyAt(token), credentials: keyAt(credentials) }
}

function keyAt(at: string | undefined): SecretKey | undefined {
  return at === undefined ? undefined : secretKey(at)
}

/** What all that speak with its server have of that. */
export function doorOf(queue: Queue | undefined): Pick<Unit, 'ownSecrets' | 'credentials'> {
  return { ownSecrets: queue?.token === undefined ? {} : { [NATS_TOKEN]: queue.token }, credentials: queue?.credentials }
}

/** What an executor is told of it. */
export function workFlags({ server, prefix, credentials }: Queue): string[] {
  return [
    ...['--nats', server, '--durable'],
    ...(prefix === undefined ? [] : ['--nats-prefix', prefix]),
    ...(credentials === undefined ? [] : ['--nats-credentials-file', `${NATS_FOLDER}/${CREDENTIALS_FILE}`]),
  ]
}

/** The same of the gateway. */
export function askingOf({ prefix, token, credentials }: Queue): AddOptions['nats'] {
  return {
    durable: true,
    ...(prefix !== undefined && { prefix }),
    // It is written down as where it comes from, see saveFlow().
    ...(token !== undefined && { token: NATS_TOKEN }),
    ...(credentials !== undefined && { credentialsFile: `${NATS_FOLDER}/${CREDENTIALS_FILE}` }),
  }
}

/** What KEDA counts of it, where the server says how much waits. @param name of the executor there, with the Flow in front */
export function triggerOf({ prefix, monitoring }: Queue, name: string): Trigger | undefined {
  if (monitoring === undefined) return undefined
  const { streams } = placesOf(subjectsOf(`/${name}`, prefix))
  const metadata = { natsServerMonitoringEndpoint: monitoring, account: '$G', stream: streams.work, consumer: CONSUMER, lagThreshold: LAG }
  return { type: 'nats-jetstream', metadata }
}
