import { node } from '../base/node.js'

type Channels = typeof import('node:diagnostics_channel')

let channels: Channels | undefined

/** To be awaited before any of the others. */
export async function loadChannels(): Promise<Channels> {
  channels ??= await node('diagnostics_channel')
  return channels
}

export function subscribe(name: string, listener: (message: unknown) => void): void {
  channels!.subscribe(name, listener)
}

export function unsubscribe(name: string, listener: (message: unknown) => void): void {
  channels!.unsubscribe(name, listener)
}

/** Telemetry that fails must not change what happens. */
export function quietly<R>(work: () => R): R | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
