// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { node } from '../base/node.js'
import type { Fields } from './fields.js'
import type { Keys } from './keys.js'

/** Keys and certificates of who asks elsewhere, whose files start at the file's folder. */
export async function tlsOf(tls: object, folder: string): Promise<object> {
  const { resolve } = await node('path')
  const named = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const found = (key: string, value: unknown): unknown => (/^(ca|key|cert)File$/.test(key) && typeof value === 'string' ? resolve(folder, value) : value)
  return Object.fromEntries(Object.entries(tls).map(([key, value]) => [named(key), found(named(key), value)]))
}

/** What no file should hold that others read. */
const SECRETS = ['token', 'password']
const FILES = ['tokenFile', 'nkeyFile', 'credentialsFile']

/**
 * How a server of NATS is reached, whose files start at the file's folder.
 * @param keys what may be said of it
 * @throws ConfigError, for secrets that are written out, too
 */
export async function natsOf(fields: Fields, folder: string, keys: Keys): Promise<unknown> {
  if (typeof fields.get('nats') === 'string') return fields.text('nats')
  const own = fields.fields('nats', 'a server of NATS', keys)!
  const { resolve } = await node('path')
  const all: Record<string, unknown> = { ...own.all }
  for (const name of SECRETS) {
    if (all[name] === undefined) continue
    if (!own.isSubstituted(name))
      throw own.error(
        name,
        `a ${name} does not belong into this file, which others read. Write \${{ ENV.NATS_${name.toUpperCase()} }}, or name a file: token_file, nkey_file, credentials_file`,
      )
    all[name] = own.text(name)
  }
  for (const name of FILES) if (all[name] !== undefined) all[name] = resolve(folder, own.text(name)!)
  if (typeof all.tls === 'object') all.tls = await tlsOf(all.tls!, folder)
  if (typeof all.durable === 'object') all.durable = await tlsOf(all.durable!, folder)
  return all
}
