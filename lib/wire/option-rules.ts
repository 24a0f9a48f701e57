import {
  callback,
  count,
  flag,
  free,
  integers,
  milliseconds,
  object,
  oneOrMore,
  patience,
  type Rule,
  ruled,
  share,
  some,
  string,
  unless,
  word,
} from '../base/check.js'
import type { RemoteOptions } from './remote-options.js'

/** Bytes of a message: as many as one of protobuf, or of WebSocket, can have. */
const bytes = integers(1, 0x7fffffff)

const inFlight = integers(0, Infinity, "'auto', ")

const protocol = oneOrMore(word('grpc http websocket ws nats', 'i'))

/**
 * What checks how a Flow is served where little may be loaded, as when a Flow is made. What needs more than that is checked by the gateway's own
 * rules, when YAML is read, or a Flow opens.
 */
export const SERVING_RULES = {
  ...ruled(
    free,
    'cors ui mcp token tokenFile allowedHosts nats tracing tracesExporterHost tracesExporterPort metrics metricsExporterHost metricsExporterPort monitoring portMonitoring',
  ),
  ...ruled(string, 'host sslKeyfile sslCertfile title description docarray'),
  ...ruled(flag, 'noDebugEndpoints noCrudEndpoints exposeStacks openHealth compression'),
  ...ruled(count, 'prefetch maxBytesInFlight'),
  ...ruled(bytes, 'maxMessageBytes maxJsonBytes'),
  ...ruled(milliseconds, 'timeout headersTimeout bodyTimeout drainDelay authTimeout keepalive heartbeat stallTimeout maxConnectionAge'),
  ...ruled(callback, 'onError logger authenticate'),
  ...ruled(object, 'tls exposeEndpoints'),
  maxDocuments: some,
  maxInFlight: (name: string, value: unknown) => value === 'auto' || inFlight(name, value),
  graphql: unless('boolean'),
  protocol,
  port: oneOrMore(integers(0, 65_535)),
}

/** The same of who is elsewhere: a Client checks the rest when it is made, which is when a Flow opens. */
export const REMOTE_RULES: Record<keyof RemoteOptions, Rule> = {
  ...ruled(free, 'headers metadata token nats'),
  connectTimeout: patience,
  keepalive: milliseconds,
  ...ruled(string, 'tokenFile compression docarray'),
  tls: unless('boolean'),
  ...ruled(flag, 'forwardIdentity unary breaker'),
  retryBudget: share,
  maxMessageBytes: bytes,
}
