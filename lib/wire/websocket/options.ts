import { DEFAULT_PREFETCH } from '../../post/options.js'
import { KEEPALIVE, MAX_MESSAGE_BYTES, STALL_TIMEOUT } from '../defaults.js'
import { MAX_DOCUMENTS, MAX_JSON } from '../documents.js'
import type { SpeakerOptions } from '../speaker.js'

/** What the server's end is told. */
export interface WebSocketSpeakerOptions extends SpeakerOptions {
  /** Pages of which other origins may connect, such as `['https://app.example']`, or `'*'` for all. Default: none. Browsers let every page connect to every server, so the server has to look. */
  origins?: '*' | readonly string[] | undefined
  /** Milliseconds between pings. Who gave no sign of life from one to the next is gone. Default 30,000; 0 sends none. */
  keepalive?: number | undefined
  /** Milliseconds for which a client may take nothing of what it was sent, before its connection is closed. Default 60,000; 0 for ever. */
  stallTimeout?: number | undefined
  /** Whether messages are compressed for clients that can (permessage-deflate). Default `false`: it costs some 100 kB a connection. */
  compression?: boolean | undefined
}

export type Settings = { [K in keyof Required<WebSocketSpeakerOptions>]: Exclude<WebSocketSpeakerOptions[K], undefined> }

/** All options of the server's end, with their defaults. */
export function settings(options: WebSocketSpeakerOptions): Settings {
  return {
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxDocuments: MAX_DOCUMENTS,
    maxJsonBytes: MAX_JSON,
    prefetch: DEFAULT_PREFETCH,
    exposeStacks: false,
    onError: (error: Error) => console.error('sluice/websocket:', error),
    origins: [],
    keepalive: KEEPALIVE,
    stallTimeout: STALL_TIMEOUT,
    compression: false,
    ...(Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<Settings>),
  }
}
