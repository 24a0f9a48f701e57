import { bytes, callback, check, count, documents, flag, host, milliseconds, object } from '../../../base/check.js'
import { optionRange, optionType } from '../../../base/errors.js'
import { DEFAULT_PREFETCH } from '../../../post/options.js'
import { ENTRANCE_RULES, type EntranceOptions } from '../../authentication.js'
import { MAX_DOCUMENTS, MAX_JSON } from '../../documents.js'
import type { ServeOptions } from '../../wire.js'

/** What a WebSocket endpoint on somebody else's HTTP server can be told. */
export interface AttachOptions extends Omit<ServeOptions, 'host' | 'port' | 'tls'>, EntranceOptions {
  /**
   * Pages of which other origins may connect, such as `['https://app.example']`, or `'*'` for all. Default: none. Pages of the server's own
   * host may, and who is no browser. Browsers let every page connect to every server, so the server has to look. Behind a proxy on the same
   * machine, name the origin that browsers see.
   */
  origins?: '*' | readonly string[] | undefined
  /** Milliseconds between pings. Who gave no sign of life from one to the next is gone. Default 30,000; 0 sends none. */
  pingInterval?: number | undefined
  /** Milliseconds for which a client may take nothing of what it was sent, before its connection is closed. Default 60,000; 0 for ever. */
  stallTimeout?: number | undefined
  /** Whether messages are compressed for clients that can (permessage-deflate). Default `false`: it costs some 100 kB a connection. */
  compression?: boolean | undefined
}

/** What a WebSocket server can be told. */
export interface WebSocketServeOptions extends AttachOptions, Pick<ServeOptions, 'host' | 'port' | 'tls'> {}

type Own = Omit<AttachOptions, keyof EntranceOptions>

export type Settings = { [K in keyof Required<Own>]: Exclude<Own[K], undefined> } & EntranceOptions

/** @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option */
export function settings(where: string, options: WebSocketServeOptions): Settings {
  const { host: _host, port: _port, tls: _tls, ...given } = check(where, options, RULES)
  return {
    maxMessageBytes: 100 * 1024 * 1024,
    maxDocuments: MAX_DOCUMENTS,
    maxJsonBytes: MAX_JSON,
    prefetch: DEFAULT_PREFETCH,
    exposeStacks: false,
    onError: (error: Error) => console.error('sluice/websocket:', error),
    origins: [],
    pingInterval: 30_000,
    stallTimeout: 60_000,
    compression: false,
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Settings>),
  }
}

const RULES: Record<keyof WebSocketServeOptions, (name: string, value: any) => void> = {
  ...ENTRANCE_RULES,
  host,
  port,
  tls: object,
  maxMessageBytes: bytes,
  maxDocuments: documents,
  maxJsonBytes: bytes,
  prefetch: count,
  exposeStacks: flag,
  onError: callback,
  origins,
  pingInterval: milliseconds,
  stallTimeout: milliseconds,
  compression: flag,
}

function port(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number', value)
  if (!(Number.isInteger(value) && value >= 0 && value <= 65_535)) throw optionRange(name, 'a port from 0 to 65535', value)
}

function origins(name: string, value: unknown): void {
  if (value === '*') return
  if (!Array.isArray(value)) throw optionType(name, "'*' or a list of origins", value)
  for (const origin of value)
    if (typeof origin !== 'string' || !URL.canParse(origin) || new URL(origin).origin !== origin)
      throw optionRange(name, "origins such as 'https://app.example', without a path", origin)
}
