import type { IncomingMessage } from 'node:http'

/** Whether a request names several hosts: who stands in front may have looked at the other one. Node lets that pass, and takes the first. */
export function namesSeveralHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}
