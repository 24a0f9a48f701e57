import { clearInterval, setInterval } from '../base/clock.js'
import { ConnectionError } from '../base/errors.js'
import { node } from '../base/node.js'
import { LOOK, namesOf, type PartNames, type Pems, Renewable, tryPems } from '../wire/certificates.js'
import { pem } from '../wire/tls.js'
import type { ServerTls } from '../wire/tls-options.js'
import type { GatewayOptions, TlsFiles } from './options.js'

/** The files that key and certificate are in, where they are in files. */
function filesOf({ tls, sslKeyfile, sslCertfile }: GatewayOptions): TlsFiles | undefined {
  if (sslKeyfile !== undefined && sslCertfile !== undefined) return { keyFile: sslKeyfile, certFile: sslCertfile }
  return tls !== undefined && 'keyFile' in tls ? tls : undefined
}

/** As whoever gave them calls them. */
function calledBy({ sslKeyfile, sslCertfile }: GatewayOptions, files: TlsFiles | undefined): PartNames {
  const names = namesOf(files)
  return sslKeyfile === undefined ? names : { ...names, key: `${sslKeyfile} (sslKeyfile)`, cert: `${sslCertfile} (sslCertfile)` }
}

/** Keys and certificates that a gateway has, and, where they are in files, what the files hold later. */
export class Keys {
  #timer: ReturnType<typeof setInterval> | undefined

  private constructor(
    /** Those of the beginning, tried. */
    readonly tls: ServerTls | undefined,
    private readonly renewable: Renewable<ServerTls> | undefined,
  ) {}

  /** @throws ConfigError for a file that cannot be read; ConnectionError (`ERR_TLS`) that names what is no key, or no certificate */
  static async open(options: GatewayOptions): Promise<Keys> {
    const files = filesOf(options)
    const { tls, host = '127.0.0.1' } = options
    if (tls === undefined && files === undefined) return new Keys(undefined, undefined)
    const secure = await node('tls')
    const names = calledBy(options, files)
    const attempt = (pems: Pems): void => tryPems(secure, pems, names, (reason, cause) => new ConnectionError('ERR_TLS', host, reason, { cause }))
    if (files === undefined) {
      attempt(tls as ServerTls)
      return new Keys(tls as ServerTls, undefined)
    }
    const renewable = await Renewable.open<ServerTls>(files, attempt)
    return new Keys(renewable.pems, renewable)
  }

  /**
   * Looks at the files now and then.
   * @param take gets those that belong together
   * @param onError hears of those that do not, once
   */
  watch(take: (tls: ServerTls) => void, onError: (error: Error) => void): void {
    const { renewable } = this
    if (renewable === undefined) return
    this.#timer = setInterval(() => {
      void renewable.look(onError).then((renewed) => {
        if (renewed && this.#timer !== undefined) take(renewable.pems)
      })
    }, LOOK)
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** As Node's servers take them. */
export function secureOptions({ key, cert, ca, crl }: ServerTls): Record<string, unknown> {
  return {
    key: pem(key),
    cert: pem(cert),
    ...(ca !== undefined && { ca: pem(ca), requestCert: true, rejectUnauthorized: true }),
    ...(crl !== undefined && { crl: pem(crl) }),
  }
}
