import type { Gateway } from './gateway.js'

/** What a terminal shows when a gateway has started: one aligned block. */
export function notice(name: string, gateway: Pick<Gateway, 'addresses' | 'options'>): string {
  const rows: [string, string][] = Object.entries(gateway.addresses).map(([protocol, address]) => [TITLES[protocol] ?? protocol, address])
  const { http } = gateway.addresses
  if (http !== undefined) rows.push(['Docs', `${http}/docs`])
  if (http !== undefined && gateway.options.graphql) rows.push(['GraphQL', `${http}/graphql`])
  const { host = '127.0.0.1', tls, sslKeyfile } = gateway.options
  rows.push([
    'Reach',
    LOCAL.test(host) ? 'this machine only' : `everybody who can reach ${host}${tls === undefined && sslKeyfile === undefined ? ', without TLS' : ''}`,
  ])
  const width = Math.max(...rows.map(([title]) => title.length))
  return [`${name} is served`, ...rows.map(([title, value]) => `  ${title.padEnd(width)}  ${value}`)].join('\n')
}

const TITLES: Record<string, string> = { grpc: 'gRPC', http: 'HTTP', websocket: 'WebSocket' }
const LOCAL = /^(127\.|localhost$|::1$|\[::1\]$)/
