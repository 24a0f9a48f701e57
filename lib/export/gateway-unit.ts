import { say, show } from '../base/errors.js'
import { NATS_PASSWORD, NATS_TOKEN, saveFlow, tokenVariable } from '../config/save.js'
import type { FlowOptions, Plan } from '../flow/options.js'
import { plan as portsOf } from '../gateway/options.js'
import { GATEWAY } from '../request/route.js'
import type { ExportOptions } from './options.js'
import { doorOf, type Queue } from './queue.js'
import { isHere, NO_SECRET, secretsOf } from './secrets.js'
import {
  CLOSE,
  COMMAND,
  environmentOf,
  FLOW_FILE,
  FLOW_FOLDER,
  monitoringPort,
  NOBODY,
  problem,
  READY,
  type Refuse,
  type Surroundings,
  TLS_FOLDER,
  type Unit,
  within,
} from './unit.js'

/** The first port of a gateway whose Flow says none. */
const FIRST_PORT = 51_000

/** The container that serves the Flow. @param steps of it, as they are elsewhere for it @param problems what cannot go, in words, more of which it adds */
export async function gatewayUnit(
  plan: Plan,
  steps: Plan['steps'],
  options: ExportOptions,
  around: Surroundings,
  queue: Queue | undefined,
  problems: string[],
): Promise<Unit> {
  const refuse: Refuse = (name, why) => void problems.push(`${name} ${why}`)
  const gateway = typeof options.gateway === 'object' ? options.gateway : {}
  const { env: _, workspace: __, runtime: ___, portExpose, port = portExpose, tls, sslKeyfile, sslCertfile, tokenFile, ...flow } = plan.options
  if ((tls ?? sslKeyfile ?? sslCertfile) !== undefined && gateway.tls === undefined)
    refuse(
      GATEWAY,
      "has a key and a certificate of this machine. Put them into a Secret of the type kubernetes.io/tls, and name it by gateway: { tls: 'name' }",
    )
  if (tokenFile !== undefined) refuse(GATEWAY, 'has a tokenFile of this machine. Give the Flow token, and name a Secret for it by secrets')
  const nats = typeof flow.nats === 'string' ? { address: flow.nats } : flow.nats
  if (nats !== undefined) {
    if (isHere(nats.address))
      refuse(GATEWAY, `answers at ${show(nats.address)}, where a container finds itself alone. Name the server as it is found from there`)
    for (const what of secretsOf({ host: nats.address, nats, tls: nats.tls }))
      refuse(GATEWAY, `has ${what}, which stands in no file that is exported. ${NO_SECRET}`)
  }
  for (const [name, cache] of [[GATEWAY, flow.cache], ...steps.map(({ name, options }) => [name, options.cache] as const)] as const)
    if (cache !== undefined && cache !== false)
      refuse(name, 'has a cache in a folder of this machine, and the gateway, which would keep it, may write to no folder. Take it out')
  const door = doorOf(steps.some(({ options }) => options.nats?.durable && options.external) ? queue : undefined)
  const secret = { ...door.ownSecrets, ...options.secrets?.gateway }
  const tokens: [string, unknown][] = [
    ['SLUICE_TOKEN', flow.token],
    [NATS_TOKEN, nats?.token],
    [NATS_PASSWORD, nats?.password],
  ]
  for (const { name, options } of steps)
    tokens.push([tokenVariable(name), options.token], [NATS_TOKEN, options.nats?.token], [NATS_PASSWORD, options.nats?.password])
  for (const [variable, token] of tokens)
    if (token !== undefined && typeof token !== 'function' && !Object.hasOwn(secret, variable))
      refuse(GATEWAY, `reads a token from ${variable}. Name a Secret for it: secrets: { gateway: { ${variable}: 'name-of-the-secret/key' } }`)
  const planned = portsOf({ ...flow, port })
  // Over NATS alone nobody could ask how it is.
  const ports = (planned.length > 0 ? planned : [{ port: 0, protocols: ['grpc' as const] }]).map(({ port, protocols }, at) => ({
    name: protocols.length === 1 ? protocols[0]! : at === 0 ? 'flow' : `flow-${at}`,
    port: port === 0 ? FIRST_PORT + at : port,
    protocols,
  }))
  const taken = ports.map(({ port }) => port)
  const numbers = monitoringPort(flow, taken)
  const { drainDelay = around.drainDelay, closeTimeout = CLOSE } = flow
  const spoken = ports.flatMap(({ protocols }) => protocols)
  const serving = {
    ...around.serving,
    ...flow,
    drainDelay,
    protocol: spoken,
    port: spoken.map((protocol) => ports.find(({ protocols }) => protocols.includes(protocol))!.port),
    ...(numbers.length > 0 && { portMonitoring: numbers[0]!.port }),
  }
  const own: FlowOptions = { ...serving, port: ports.length === 1 ? ports[0]!.port : serving.port, host: '0.0.0.0' }
  let text = ''
  try {
    text = await saveFlow({ name: plan.name, options: own, steps })
  } catch (error) {
    // What an executor cannot do was said already.
    if (!problems.some((problem) => steps.some(({ name }) => problem.startsWith(`${name} `) && say(error).includes(name)))) problem(GATEWAY, error, refuse)
  }
  const given = options.images?.[GATEWAY] ?? options.image
  if (given === undefined) refuse(GATEWAY, 'has no image. Put sluice into one, and name it by image, or by images')
  const { env, secrets } = environmentOf(GATEWAY, {}, options, around, refuse)
  const certificates = gateway.tls === undefined ? [] : ['--tls-key', `${TLS_FOLDER}/tls.key`, '--tls-cert', `${TLS_FOLDER}/tls.crt`]
  return {
    name: GATEWAY,
    executor: GATEWAY,
    isGateway: true,
    shard: undefined,
    image: given === undefined ? '' : within(given, options),
    isForeign: false,
    entrypoint: options.command ?? COMMAND,
    args: ['flow', `${FLOW_FOLDER}/${FLOW_FILE}`, ...certificates],
    env,
    secrets,
    ...door,
    count: gateway.replicas ?? around.gateways,
    ports: [...ports, ...numbers],
    memory: undefined,
    cpus: undefined,
    gpus: undefined,
    user: NOBODY,
    pull: undefined,
    mounts: [],
    hasWorkspace: false,
    readyTimeout: READY,
    closeTimeout,
    drainDelay,
    flow: text,
    gateway,
    probes: flow.openHealth === false ? 'closed' : gateway.tls === undefined ? 'open' : 'tls',
  }
}
