import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { Caller } from './authentication.js'
import { isLoopback } from './hosts.js'

/** Whether it listens for this machine only, by server. */
const nearby = new WeakMap<object, boolean>()

/** What a connection itself says of who is at its other end. */
export class Place {
  constructor(private readonly socket: Socket) {}

  get address(): string | undefined {
    return this.socket.remoteAddress
  }

  get secure(): boolean {
    return (this.socket as Partial<TLSSocket>).encrypted === true
  }

  /** Only one that was held against authorities. */
  get peerCertificate(): PeerCertificate | undefined {
    const socket = this.socket as Partial<TLSSocket>
    return socket.authorized === true ? socket.getPeerCertificate?.() : undefined
  }

  get near(): boolean {
    const { server } = this.socket as Socket & { server?: Server }
    if (server === undefined) return false
    let near = nearby.get(server)
    if (near === undefined) {
      const address = server.address?.()
      near = typeof address === 'object' && address !== null && isLoopback(address.address)
      nearby.set(server, near)
    }
    return near
  }
}

/** A request of Node's own server. */
export class NodeCaller extends Place implements Caller {
  constructor(
    private readonly request: IncomingMessage,
    readonly wire: Caller['wire'],
  ) {
    super(request.socket)
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return typeof value === 'string' ? value : value?.[0]
  }

  headers(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.request.headers).map(([name, value]) => [name, String(value)]))
  }

  get host(): string | undefined {
    return this.request.headers.host
  }

  get query(): string {
    return behindMark(this.request.url!)
  }
}

/** A request of the platform, of whose connection nothing is known. */
export class FetchCaller implements Caller {
  readonly address = undefined
  readonly peerCertificate = undefined
  readonly near = false

  constructor(
    private readonly request: globalThis.Request,
    readonly wire: Caller['wire'],
  ) {}

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? undefined
  }

  headers(): Record<string, string> {
    return Object.fromEntries(this.request.headers)
  }

  get host(): string | undefined {
    return this.header('host') ?? new URL(this.request.url).host
  }

  get query(): string {
    return behindMark(this.request.url)
  }

  get secure(): boolean {
    return this.request.url.startsWith('https:')
  }
}

function behindMark(address: string): string {
  const mark = address.indexOf('?')
  return mark === -1 ? '' : address.slice(mark + 1)
}
