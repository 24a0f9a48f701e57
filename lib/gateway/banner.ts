import type { Gateway } from './gateway.js'

/**
 * What a terminal shows when a gateway has started: one aligned block.
 * @param places executors that do not run in this process, and where they do: `'encode in 2 threads'`
 */
export function notice(name: string, { addresses, options }: Pick<Gateway, 'addresses' | 'options'>, places: readonly string[] = []): string {
  const rows: [string, string][] = Object.entries(addresses).map(([protocol, address]) => [TITLES[protocol] ?? protocol, reachable(address)])
  const { host = '127.0.0.1', graphql, ui, mcp, tls, sslKeyfile } = options
  if (addresses.http !== undefined) {
    const http = reachable(addresses.http)
    rows.push(['Docs', `${http}/docs`])
    const { path = '/graphql' } = typeof graphql === 'object' ? graphql : {}
    if (graphql) rows.push(['GraphQL', `${http}${path}`])
    if (mcp) rows.push(['MCP', `${http}/mcp`])
    if (ui) rows.push(['Live', `${http}/ui`])
  }
  if (addresses.http !== undefined && options.metrics) rows.push(['Metrics', `${reachable(addresses.http)}/metrics`])
  const who = ANY.test(host) ? `everybody who can reach this machine (${host})` : `everybody who can reach ${host}`
  const listens = Object.keys(addresses).some((protocol) => protocol !== 'nats')
  if (listens) rows.push(['Reach', LOCAL.test(host) ? 'this machine only' : `${who}${tls === undefined && sslKeyfile === undefined ? ', without TLS' : ''}`])
  if (places.length > 0) rows.push(['Runs', places.join(', ')])
  const width = Math.max(...rows.map(([title]) => title.length))
  return [`${name} is served`, ...rows.map(([title, value]) => `  ${title.padEnd(width)}  ${value}`)].join('\n')
}

/** Every address there is is none that can be opened everywhere: this machine's own is among them. */
function reachable(address: string): string {
  return address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

const TITLES: Record<string, string> = { grpc: 'gRPC', http: 'HTTP', websocket: 'WebSocket', nats: 'NATS', metrics: 'Metrics' }
const LOCAL = /^(127\.|localhost$|::1$|\[::1\]$)/
const ANY = /^(0\.0\.0\.0|\[?::\]?)$/
