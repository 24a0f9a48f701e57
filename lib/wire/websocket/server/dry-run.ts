import { DRY_RUN } from '../../../executor/bindings.js'
import type { Handler } from '../../../request/handler.js'
import type { Status } from '../../../request/status.js'
import { Scope } from '../../../stream/scope.js'
import type { Identity } from '../../identity.js'
import { answer, emptyMessage } from '../../message.js'
import { publicStatus, withoutStacks } from '../../status.js'

/** Whether a request without documents comes through. */
export async function dryRun(peer: Handler, scope = new Scope(), identity?: Identity): Promise<Status> {
  try {
    const { status } = await answer(peer, emptyMessage({ execEndpoint: DRY_RUN, context: { identity } }), scope)
    return withoutStacks(status ?? { code: 'SUCCESS', description: '' })
  } catch (error) {
    return withoutStacks(publicStatus(error as Error))
  }
}
