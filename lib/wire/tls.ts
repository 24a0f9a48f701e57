import { ConnectionError, say } from '../base/errors.js'
import { type Logger, log } from '../base/logger.js'
import { node } from '../base/node.js'
import type { ClientTls, TlsNow } from './tls-options.js'

/** Whether connections can send headers, and show certificates. */
export const onNode = typeof (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node === 'string'

/** As Node takes a key or a certificate. */
export function pem(given: string | Uint8Array): string | Buffer {
  return typeof given === 'string' ? given : Buffer.from(given.buffer, given.byteOffset, given.byteLength)
}

/** As Node's clients take them: nothing, where nothing is said. */
export function secureTo({ ca, key, cert, serverName }: ClientTls): {
  ca?: string | Buffer
  key?: string | Buffer
  cert?: string | Buffer
  servername?: string
} {
  return {
    ...(ca !== undefined && { ca: pem(ca) }),
    ...(key !== undefined && { key: pem(key) }),
    ...(cert !== undefined && { cert: pem(cert) }),
    ...(serverName !== undefined && { servername: serverName }),
  }
}

/** Whether some of it is to be read first. */
export function isInFiles({ caFile, keyFile, certFile }: ClientTls): boolean {
  return (caFile ?? keyFile ?? certFile) !== undefined
}

/** What reads them. */
export const certificates = () => import('./certificates.js')

/**
 * @param logger hears of what was renewed and does not belong together. Default: console.error
 * @throws (what it returns) ConfigError for a file that cannot be read; ConnectionError (`ERR_TLS`) for what does not belong together from the beginning
 */
export function tlsNow(tls: ClientTls, address: string, logger: Logger | undefined): TlsNow {
  if (!isInFiles(tls)) return () => tls
  const { caFile, keyFile, certFile, ...own } = tls
  const files = { caFile, keyFile, certFile }
  const told = (error: Error): void => (logger === undefined ? console.error(`sluice: ${say(error)}`) : log(logger, 'error', 'tls.failed', { error }))
  let opened: ReturnType<typeof open> | undefined
  const open = async () => {
    const { namesOf, Renewable, tryPems } = await certificates()
    const secure = await node('tls')
    return Renewable.open<ClientTls>(files, (pems) =>
      tryPems(secure, { ...own, ...pems }, namesOf(files), (reason, cause) => new ConnectionError('ERR_TLS', address, reason, { cause })),
    )
  }
  let held: ClientTls | undefined
  let all = tls
  return async () => {
    opened ??= open().catch((error) => {
      opened = undefined
      throw error
    })
    const pems = await (await opened).fresh(told)
    // The same as long as nothing was renewed: whoever has it need not begin anew.
    if (pems !== held) [held, all] = [pems, { ...own, ...pems }]
    return all
  }
}
