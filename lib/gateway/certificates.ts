import { clearInterval, setInterval } from '../base/clock.js'
import { ConnectionError } from '../base/errors.js'
import { node } from '../base/node.js'
import type { ServerTls } from '../wire/tls.js'
import type { GatewayOptions, TlsFiles } from './options.js'

const PARTS = ['key', 'cert', 'ca', 'crl'] as const
type Part = (typeof PARTS)[number]

/** Milliseconds between looks at files of keys and certificates. */
const LOOK = 1000

/** The files that key and certificate are in, where they are in files. */
function filesOf({ tls, sslKeyfile, sslCertfile }: GatewayOptions): TlsFiles | undefined {
  if (sslKeyfile !== undefined && sslCertfile !== undefined) return { keyFile: sslKeyfile, certFile: sslCertfile }
  return tls !== undefined && 'keyFile' in tls ? tls : undefined
}

type Names = Readonly<Record<Part, string>>

/** What messages call them. */
function namesOf({ sslKeyfile, sslCertfile }: GatewayOptions, files: TlsFiles | undefined): Names {
  const own = (part: Part): string => (files === undefined ? `tls.${part}` : `${files[`${part}File`]} (tls.${part}File)`)
  const key = sslKeyfile === undefined ? own('key') : `${sslKeyfile} (sslKeyfile)`
  const cert = sslCertfile === undefined ? own('cert') : `${sslCertfile} (sslCertfile)`
  return { key, cert, ca: own('ca'), crl: own('crl') }
}

/** What the files hold. @throws ConfigError for one that cannot be read */
async function read(files: TlsFiles): Promise<ServerTls> {
  const { textOfFile } = await import('../base/text-file.js')
  const named = PARTS.flatMap((part) => (files[`${part}File`] === undefined ? [] : [[part, files[`${part}File`]!] as const]))
  return Object.fromEntries(await Promise.all(named.map(async ([part, file]) => [part, await textOfFile(file)]))) as unknown as ServerTls
}

/** Keys and certificates that a gateway has, and, where they are in files, what the files hold later. */
export class Keys {
  /** Those of the beginning, tried. */
  readonly tls: ServerTls | undefined
  readonly #files: TlsFiles | undefined
  readonly #host: string | undefined
  readonly #names: Names
  #stamp: string
  /** What the files were when they were found wanting, and whether somebody was told. */
  #wrong: { stamp: string; told: boolean } | undefined
  #timer: ReturnType<typeof setInterval> | undefined

  /** @throws ConfigError for a file that cannot be read; ConnectionError (`ERR_TLS`) that names what is no key, or no certificate */
  static async open(options: GatewayOptions): Promise<Keys> {
    const files = filesOf(options)
    const stamp = files === undefined ? '' : await stampOf(files)
    const tls = files === undefined ? (options.tls as ServerTls | undefined) : await read(files)
    await tryKeys(tls, options.host, namesOf(options, files))
    return new Keys(tls, files, options, stamp)
  }

  private constructor(tls: ServerTls | undefined, files: TlsFiles | undefined, options: GatewayOptions, stamp: string) {
    this.tls = tls
    this.#files = files
    this.#host = options.host
    this.#names = namesOf(options, files)
    this.#stamp = stamp
  }

  /**
   * Looks at the files now and then: whoever renews certificates writes them anew.
   * @param take gets those that belong together
   * @param onError hears of those that do not, once, when they have stayed so: a key is written before its certificate. The old ones hold on.
   */
  watch(take: (tls: ServerTls) => void, onError: (error: Error) => void): void {
    const files = this.#files
    if (files === undefined) return
    let looking = false
    this.#timer = setInterval(() => {
      if (looking) return
      looking = true
      void this.#look(files, take, onError).finally(() => {
        looking = false
      })
    }, LOOK)
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  async #look(files: TlsFiles, take: (tls: ServerTls) => void, onError: (error: Error) => void): Promise<void> {
    const stamp = await stampOf(files)
    if (stamp === this.#stamp) {
      this.#wrong = undefined
      return
    }
    if (this.#wrong?.stamp === stamp && this.#wrong.told) return
    try {
      const tls = await read(files)
      await tryKeys(tls, this.#host, this.#names)
      if (this.#timer === undefined) return
      take(tls)
      this.#stamp = stamp
      this.#wrong = undefined
    } catch (error) {
      const stayed = this.#wrong?.stamp === stamp
      this.#wrong = { stamp, told: stayed }
      if (stayed) onError(error as Error)
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** How the files look from outside. Whoever renews them may put others in their place. */
async function stampOf(files: TlsFiles): Promise<string> {
  const { stat } = await node('fs/promises')
  const look = (file: string): Promise<string> =>
    stat(file).then(
      ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
      () => 'gone',
    )
  return (await Promise.all(PARTS.map((part) => (files[`${part}File`] === undefined ? '' : look(files[`${part}File`]!))))).join()
}

/** What OpenSSL says of them, it says in its own words: so each is tried by itself. */
async function tryKeys(tls: ServerTls | undefined, host = '127.0.0.1', names: Names): Promise<void> {
  if (tls === undefined) return
  const { createSecureContext } = await node('tls')
  const attempt = (which: readonly Part[], problem: string): void => {
    try {
      // Authorities that are none, OpenSSL takes for an empty list.
      if (which[0] === 'ca' && !/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(String(pem(tls.ca!)))) throw new TypeError('no certificates')
      createSecureContext(Object.fromEntries(which.map((name) => [name, pem(tls[name]!)])))
    } catch (cause) {
      throw new ConnectionError('ERR_TLS', host, `${which.map((part) => names[part]).join(' and ')} ${problem}`, { cause })
    }
  }
  attempt(['key'], 'must be a private key in PEM (-----BEGIN PRIVATE KEY-----), not locked by a password')
  attempt(['cert'], 'must be a certificate in PEM (-----BEGIN CERTIFICATE-----)')
  attempt(['key', 'cert'], 'do not belong together: give the key that the certificate was made for')
  if (tls.ca !== undefined) attempt(['ca'], 'must be certificates in PEM (-----BEGIN CERTIFICATE-----)')
  if (tls.crl !== undefined) attempt(['crl'], 'must be a list of revoked certificates in PEM (-----BEGIN X509 CRL-----)')
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

export function pem(given: string | Uint8Array): string | Buffer {
  return typeof given === 'string' ? given : Buffer.from(given)
}
