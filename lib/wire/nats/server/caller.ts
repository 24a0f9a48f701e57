import type { MsgHdrs } from '@nats-io/transport-node'
import type { Caller } from '../../authentication.js'

/** Who asks over NATS: of the connection, its server alone knows. */
export class NatsCaller implements Caller {
  readonly wire = 'nats'
  readonly address = undefined
  readonly peerCertificate = undefined
  readonly host = undefined
  readonly query = ''
  readonly secure = false
  readonly near = false
  /** By name, in lower case, which clients may write as they like. */
  readonly #headers: Record<string, string>

  constructor(headers: MsgHdrs | undefined) {
    this.#headers = Object.fromEntries((headers?.keys() ?? []).map((name) => [name.toLowerCase(), headers!.get(name)]))
  }

  header(name: string): string | undefined {
    return Object.hasOwn(this.#headers, name) ? this.#headers[name] : undefined
  }

  headers(): Record<string, string> {
    return this.#headers
  }
}
