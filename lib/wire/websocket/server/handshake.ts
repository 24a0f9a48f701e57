import type { IncomingMessage } from 'node:http'
import { DELTAS_QUERY } from '../../deltas.js'
import { LARGE_QUERY, WINDOW_QUERY } from '../../sharing.js'
import { bytes, type Dialect, json } from '../subprotocol.js'

/** What a client asks for by the address and the headers of its first request. */
export interface Asked {
  readonly dryRun: boolean
  readonly partial: boolean
  /** Partial answers as deltas, where they are. */
  readonly deltas: boolean
  readonly dialect: Dialect
  /** How many partial answers of a request the client takes ahead, which says what it took, and shares the connection among its posts; 0 for one that does not. */
  readonly window: number
  /** Whether requests on a shared one are large: while there is no room for one, those behind it wait. */
  readonly large: boolean
}

/** Whether a client that wants another protocol wants this one. */
export function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? '').split(',').some((name) => name.trim().toLowerCase() === 'websocket')
}

/** @returns undefined for a path where nothing is */
export function asked({ url = '/', headers }: IncomingMessage): Asked | undefined {
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  if (path !== '/' && path !== '/dry_run') return undefined
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1))
  const [partial, deltas] = [query.get('partial') === '1', query.get(DELTAS_QUERY) === '1']
  const chosen = choose(protocols(headers['sec-websocket-protocol']))
  const window = query.get(WINDOW_QUERY) ?? ''
  return {
    dryRun: path === '/dry_run',
    partial,
    deltas,
    dialect: chosen === 'bytes' ? bytes : json,
    window: chosen === 'bytes' && partial && /^\d{1,3}$/.test(window) ? Number(window) : 0,
    large: query.get(LARGE_QUERY) === '1',
  }
}

/**
 * The subprotocol that is said back: browsers and most libraries leave a server that keeps silent about what they asked for. Jina's gateway
 * keeps silent, and its client does not mind either way.
 */
export function choose(offered: Iterable<string>): 'bytes' | 'json' | false {
  const all = new Set(offered)
  // Jina takes several for json.
  return all.has('json') ? 'json' : all.has('bytes') ? 'bytes' : false
}

function protocols(header: string | undefined): string[] {
  return header === undefined ? [] : header.split(',').map((name) => name.trim())
}
