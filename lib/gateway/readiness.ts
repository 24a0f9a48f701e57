import { FlowStateError } from '../errors.js'
import type { Peer } from '../peer.js'
import type { Request } from '../request/request.js'
import { DRY_RUN } from '../requests.js'

/** Whether a gateway says that it is ready, on all its ports alike. */
export class Readiness {
  /** It says that it is not, and works on. */
  leaving = false

  /** The same peer, which fails at dry runs while the gateway leaves: by them, every protocol asks whether it is ready. */
  of(peer: Peer): Peer {
    const handle = (request: Request): void | Promise<void> => {
      if (this.leaving && request.header.execEndpoint === DRY_RUN)
        throw new FlowStateError('ERR_FLOW_CLOSED', 'This gateway shuts down: ask again, or ask another instance')
      return peer.handle(request)
    }
    // Wires look at what a peer is, so it stays what it is. Its methods have private fields, so they stay its own.
    return new Proxy(peer, {
      get(target, name) {
        if (name === 'handle') return handle
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}
