import { show } from '../base/errors.js'
import type { AddOptions } from '../flow/options.js'
import { isLoopback } from '../wire/hosts.js'

/** What to do about it. */
export const NO_SECRET =
  'Give it token, and name a Secret for it by secrets; or have something beside it show who asks, such as a mesh or a proxy: its address here has nothing secret in it'
/** Headers by which somebody shows who he is. */
const SHOWS = /^(?:proxy-)?authorization$|cookie|token|secret|password|credential|api-?key/i

/** What shows who asks an executor elsewhere, or lies in a file of this machine, and has no place in a file that is written. */
export function secretsOf({ host, headers, tls, nats }: Pick<AddOptions, 'host' | 'headers' | 'tls'> & { readonly nats?: object | undefined }): string[] {
  const inTls = typeof tls === 'object' ? Object.keys(tls).filter((key) => /^(?:key|pfx|passphrase)$|File$/.test(key)) : []
  const inNats = Object.keys(nats ?? {}).filter((key) => /File$/.test(key))
  return [
    ...([host ?? []].flat().some((one) => /^(?:\w+:\/\/)?[^/]*@/.test(one)) ? ['who asks in its host'] : []),
    ...Object.keys(headers ?? {}).flatMap((name) => (SHOWS.test(name) ? [`the header ${show(name)}`] : [])),
    ...inTls.map((key) => `tls.${key}`),
    ...inNats.map((key) => `nats.${key}`),
  ]
}

/** Whether an address is that of whoever asks it: in a container, of that one. */
export function isHere(address: string): boolean {
  const [authority = ''] = address.replace(/^\w+:\/\//, '').split('/')
  return isLoopback(authority.replace(/:\d+$/, ''))
}
