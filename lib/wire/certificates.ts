import { now } from '../base/clock.js'
import { node } from '../base/node.js'
import { shortage } from '../base/shortage.js'
import { textOfFile } from '../base/text-file.js'
import { pem } from './tls.js'

const PARTS = ['key', 'cert', 'ca', 'crl'] as const
type Part = (typeof PARTS)[number]

/** Keys and certificates, as texts in PEM. */
export type Pems = { readonly [P in Part]?: string | Uint8Array | undefined }

/** The files that they are in. */
export type PemFiles = { readonly [P in Part as `${P}File`]?: string | undefined }

/** What messages call them. */
export type PartNames = Readonly<Record<Part, string>>

/** Milliseconds between looks at files of keys and certificates. */
export const LOOK = 1000

/** As options have them. */
export function namesOf(files: PemFiles = {}): PartNames {
  const named = (part: Part): string => (files[`${part}File`] === undefined ? `tls.${part}` : `${files[`${part}File`]} (tls.${part}File)`)
  return { key: named('key'), cert: named('cert'), ca: named('ca'), crl: named('crl') }
}

/** Keys and certificates in files, which somebody may renew: who renews them writes them anew. */
export class Renewable<P extends Pems> {
  #pems: P
  #stamp: string
  #looked = now()
  #looking: Promise<boolean> | undefined
  /** What the files were when they were found wanting, and whether somebody was told. */
  #wrong: { stamp: string; told: boolean } | undefined
  #short = false

  private constructor(
    pems: P,
    stamp: string,
    readonly files: PemFiles,
    private readonly attempt: (pems: Pems) => unknown,
  ) {
    this.#pems = pems
    this.#stamp = stamp
  }

  /**
   * @param attempt throws for what does not belong together
   * @throws ConfigError for a file that cannot be read
   */
  static async open<P extends Pems>(files: PemFiles, attempt: (pems: Pems) => unknown): Promise<Renewable<P>> {
    const stamp = await stampOf(files)
    const pems = await read<P>(files)
    await attempt(pems)
    return new Renewable<P>(pems, stamp, files, attempt)
  }

  /** The last that belonged together. */
  get pems(): P {
    return this.#pems
  }

  /**
   * Looks at the files.
   * @param onError hears of what does not belong together, once, when it has stayed so: a key is written before its certificate. The old ones hold on.
   * @returns whether there are new ones
   */
  look(onError: (error: Error) => void): Promise<boolean> {
    this.#looking ??= this.#look(onError).finally(() => {
      this.#looked = now()
      this.#looking = undefined
    })
    return this.#looking
  }

  /** For who opens connections: looks once a second at most, which leaves nothing to close. */
  async fresh(onError: (error: Error) => void): Promise<P> {
    if (now() - this.#looked >= LOOK) await this.look(onError)
    return this.#pems
  }

  async #look(onError: (error: Error) => void): Promise<boolean> {
    const stamp = await stampOf(this.files)
    if (stamp === this.#stamp) {
      this.#wrong = undefined
      return false
    }
    if (this.#wrong?.stamp === stamp && this.#wrong.told) return false
    try {
      const pems = await read<P>(this.files)
      await this.attempt(pems)
      this.#pems = pems
      this.#stamp = stamp
      this.#short = false
      this.#wrong = undefined
      return true
    } catch (error) {
      // Nothing can be opened now, which says nothing of what they hold: they are read again at the next look, and it is told once.
      if (shortage((error as Error).cause) !== undefined) {
        if (!this.#short) onError(error as Error)
        this.#short = true
        return false
      }
      const stayed = this.#wrong?.stamp === stamp
      this.#wrong = { stamp, told: stayed }
      if (stayed) onError(error as Error)
      return false
    }
  }
}

/** What the files hold. @throws ConfigError for one that cannot be read */
async function read<P extends Pems>(files: PemFiles): Promise<P> {
  const named = PARTS.flatMap((part) => (files[`${part}File`] === undefined ? [] : [[part, files[`${part}File`]!] as const]))
  return Object.fromEntries(await Promise.all(named.map(async ([part, file]) => [part, await textOfFile(file)]))) as P
}

/** How the files look from outside. Whoever renews them may put others in their place. */
async function stampOf(files: PemFiles): Promise<string> {
  const { stat } = await node('fs/promises')
  const look = (file: string): Promise<string> =>
    stat(file).then(
      ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
      () => 'gone',
    )
  return (await Promise.all(PARTS.map((part) => (files[`${part}File`] === undefined ? '' : look(files[`${part}File`]!))))).join()
}

/**
 * What OpenSSL says of them, it says in its own words: so each is tried by itself.
 * @param refuse makes the error
 */
export function tryPems(
  { createSecureContext }: typeof import('node:tls'),
  pems: Pems,
  names: PartNames,
  refuse: (reason: string, cause: unknown) => Error,
): void {
  const attempt = (which: readonly Part[], problem: string): void => {
    if (which.some((part) => pems[part] === undefined)) return
    try {
      // Authorities that are none, OpenSSL takes for an empty list.
      if (which[0] === 'ca' && !/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(String(pem(pems.ca!)))) throw new TypeError('no certificates')
      createSecureContext(Object.fromEntries(which.map((name) => [name, pem(pems[name]!)])))
    } catch (cause) {
      throw refuse(`${which.map((part) => names[part]).join(' and ')} ${problem}`, cause)
    }
  }
  attempt(['key'], 'must be a private key in PEM (-----BEGIN PRIVATE KEY-----), not locked by a password')
  attempt(['cert'], 'must be a certificate in PEM (-----BEGIN CERTIFICATE-----)')
  attempt(['key', 'cert'], 'do not belong together: give the key that the certificate was made for')
  attempt(['ca'], 'must be certificates in PEM (-----BEGIN CERTIFICATE-----)')
  attempt(['crl'], 'must be a list of revoked certificates in PEM (-----BEGIN X509 CRL-----)')
}
