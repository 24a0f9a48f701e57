import { ConnectionError } from '../errors.js'
import { node } from '../host.js'
import type { GatewayOptions } from './options.js'

/**
 * Key and certificate by their files, in place of the files' names, and tried.
 * @throws ConfigError for a file that cannot be read; ConnectionError (`ERR_TLS`) that names what is no key, or no certificate
 */
export async function withKeys({ sslKeyfile, sslCertfile, ...options }: GatewayOptions): Promise<GatewayOptions> {
  if (sslKeyfile === undefined || sslCertfile === undefined) {
    await tryKeys(options, { key: 'tls.key', cert: 'tls.cert', ca: 'tls.ca' })
    return options
  }
  const { textOf } = await import('../config/source.js')
  const [key, cert] = await Promise.all([textOf(sslKeyfile), textOf(sslCertfile)])
  const all = { ...options, tls: { key, cert } }
  await tryKeys(all, { key: `${sslKeyfile} (sslKeyfile)`, cert: `${sslCertfile} (sslCertfile)`, ca: 'tls.ca' })
  return all
}

/** What OpenSSL says of them, it says in its own words: so each is tried by itself. */
async function tryKeys({ tls, host = '127.0.0.1' }: GatewayOptions, names: Record<'key' | 'cert' | 'ca', string>): Promise<void> {
  if (tls === undefined) return
  const { createSecureContext } = await node('tls')
  const attempt = (which: readonly ('key' | 'cert' | 'ca')[], problem: string): void => {
    try {
      // Authorities that are none, OpenSSL takes for an empty list.
      if (which[0] === 'ca' && !/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(String(pem(tls.ca!)))) throw new TypeError('no certificates')
      createSecureContext(Object.fromEntries(which.map((name) => [name, pem(tls[name]!)])))
    } catch (cause) {
      throw new ConnectionError('ERR_TLS', host, `${which.map((name) => names[name]).join(' and ')} ${problem}`, { cause })
    }
  }
  attempt(['key'], 'must be a private key in PEM (-----BEGIN PRIVATE KEY-----), not locked by a password')
  attempt(['cert'], 'must be a certificate in PEM (-----BEGIN CERTIFICATE-----)')
  attempt(['key', 'cert'], 'do not belong together: give the key that the certificate was made for')
  if (tls.ca !== undefined) attempt(['ca'], 'must be certificates in PEM (-----BEGIN CERTIFICATE-----)')
}

export function pem(given: string | Uint8Array): string | Buffer {
  return typeof given === 'string' ? given : Buffer.from(given)
}
