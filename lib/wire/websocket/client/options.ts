import { check, milliseconds } from '../../../base/check.js'
import { optionRange, optionType } from '../../../base/errors.js'
import type { ConnectOptions } from '../../connect-options.js'
import { CONNECT_RULES } from '../../connect-options.js'
import { Credentials } from '../../credentials.js'
import { CONNECT_TIMEOUT, KEEPALIVE, MAX_MESSAGE_BYTES } from '../../defaults.js'
import { DELTAS_QUERY } from '../../deltas.js'
import type { RemoteOptions } from '../../remote-options.js'
import { WINDOW, WINDOW_QUERY } from '../../sharing.js'
import { onNode, tlsNow } from '../../tls.js'
import type { LineOptions } from './socket.js'

/** What a WebSocket client can be told. */
export interface WebSocketConnectOptions extends ConnectOptions {
  /** How messages are written. Default `'bytes'` (DataRequestProto): smaller than `'json'`, and without loss. */
  mode?: 'bytes' | 'json' | undefined
  keepalive?: RemoteOptions['keepalive']
}

export interface ClientSettings extends LineOptions {
  readonly mode: 'bytes' | 'json'
  readonly timeout: number | undefined
  readonly connectTimeout: number
  /** Where requests go, and where to ask whether all is up. */
  readonly url: string
  readonly dryRunUrl: string
  /** Where what the server does is asked for, over HTTP at the same port, and how. */
  readonly http: { readonly address: string; readonly options: ConnectOptions }
  readonly credentials: Credentials | undefined
}

/** @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option */
export function clientSettings(address: string, options: WebSocketConnectOptions): ClientSettings {
  const {
    mode = 'bytes',
    headers = {},
    tls = false,
    compression,
    timeout,
    connectTimeout = CONNECT_TIMEOUT,
    keepalive = KEEPALIVE,
  } = check('connect()', options, RULES)
  const url = parse(address, tls !== false)
  if (!onNode) {
    if (Object.keys(headers).length > 0) throw optionType('headers', 'left out in browsers, whose WebSockets cannot send them', headers)
    if (typeof tls === 'object') throw optionType('tls', 'true or false in browsers, which choose whom to trust themselves', tls)
  }
  // What must not be in a log is not in an error either.
  const shown = `${url.protocol}//${url.host}`
  const path = url.pathname.replace(/\/$/, '')
  const all = { ...authorization(url), ...headers }
  const { token, forwardIdentity, logger, at } = options
  return {
    address: shown,
    protocol: mode === 'bytes' ? 'bytes' : undefined,
    mode,
    headers: all,
    tlsNow: tlsNow(typeof tls === 'object' ? tls : {}, shown, options.logger),
    compression: compression !== undefined,
    maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    keepalive,
    timeout,
    connectTimeout,
    at: options.at,
    url: `${shown}${path}/?partial=1&${DELTAS_QUERY}=1${mode === 'bytes' ? `&${WINDOW_QUERY}=${WINDOW}` : ''}`,
    dryRunUrl: `${shown}${path}/dry_run`,
    http: {
      address: `${shown.replace('ws', 'http')}${path}`,
      options: { headers: all, tls: url.protocol === 'wss:' && tls === false ? true : tls, connectTimeout, token, forwardIdentity, logger, at },
    },
    credentials: Credentials.of(shown, options),
  }
}

function parse(address: string, tls: boolean): URL {
  if (typeof address !== 'string') throw optionType('The address', "a string such as 'ws://127.0.0.1:51000'", address)
  const full = address.includes('://') ? address.replace(/^websocket:/, 'ws:') : `${tls ? 'wss' : 'ws'}://${address}`
  if (!URL.canParse(full) || !/^wss?:/.test(full)) throw optionRange('The address', "one such as 'ws://127.0.0.1:51000' or 'wss://flow.example'", address)
  const url = new URL(full)
  if (tls) url.protocol = 'wss:'
  return url
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  if (!onNode) throw optionType('The address', 'without a name and a password in browsers', 'one with them')
  return { authorization: `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}` }
}

const RULES: Record<keyof WebSocketConnectOptions, (name: string, value: any) => void> = {
  ...CONNECT_RULES,
  mode(name, value) {
    if (value !== 'bytes' && value !== 'json') throw optionRange(name, "'bytes' or 'json'", value)
  },
  keepalive: milliseconds,
}
