import type { GatewayOptions } from './options.js'

/** What a protocol brings to a port. */
export interface Speaker {
  /** It says that it is not ready any more, where it can, and goes on. */
  unready?(): void
  /** Takes nothing new, and resolves when nothing is under way. @param time milliseconds until it is closed */
  drain(time: number): Promise<void>
  close(): Promise<void> | void
}

/** What every wire is told. */
export function common({ prefetch, maxMessageBytes, maxDocuments, maxJsonBytes, exposeStacks, onError }: GatewayOptions) {
  return given({ prefetch, maxMessageBytes, maxDocuments, maxJsonBytes, exposeStacks, onError })
}

/** Wires refuse words they do not know, also with nothing behind them. */
export function given<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O
}
