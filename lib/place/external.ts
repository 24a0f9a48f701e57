import { FlowBuildError } from '../base/errors.js'
import type { Part } from '../base/lifecycle.js'
import type { AddOptions, Plan } from '../flow/options.js'
import type { Remote } from './external-handler.js'

/**
 * A client for each address of an external executor.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for addresses that do not fit together; TypeError, RangeError for what is none
 */
export async function externals({ name, options }: Plan['steps'][number]): Promise<{ peers: Remote[]; parts: Part[]; options: AddOptions }> {
  const { host, port, protocol, tls, headers, metadata, compression, maxMessageBytes, docarray, tokenFile, forwardIdentity } = options
  const hosts = [host ?? []].flat()
  const ports = [port ?? []].flat()
  if (hosts.length === 0 && ports.length === 0) throw new FlowBuildError('ERR_USES_INVALID', `${name} is external, but has neither host nor port`)
  const count = Math.max(hosts.length, ports.length)
  if ((hosts.length > 1 && hosts.length < count) || (ports.length > 1 && ports.length < count))
    throw new FlowBuildError('ERR_USES_INVALID', `${name} has ${hosts.length} hosts and ${ports.length} ports. Give one for all, or one for each`)
  if (options.token !== undefined && tokenFile !== undefined) throw new FlowBuildError('ERR_USES_INVALID', `${name} has token and tokenFile. Give one of them`)
  const { Client } = await import('../client/client.js')
  const token = tokenFile === undefined ? options.token : (await import('../wire/tokens.js')).tokenFrom(tokenFile)
  const told = { protocol, tls, headers, metadata, compression, maxMessageBytes, docarray, token, forwardIdentity }
  const peers = Array.from({ length: count }, (_, at) => new Client({ host: hosts[at] ?? hosts[0], port: ports[at] ?? ports[0], ...told }))
  return { peers, parts: [], options }
}
