import { DRY_RUN } from '../../../executor/bindings.js'
import type { Handler } from '../../../request/handler.js'
import { type Status, statusOf } from '../../../request/status.js'
import { Scope } from '../../../stream/scope.js'
import type { Identity } from '../../identity.js'
import { answer, emptyMessage } from '../../message.js'
import { seal } from '../../without-stacks.js'

/** Whether a request without documents comes through. */
export async function dryRun(peer: Handler, scope = new Scope(), identity?: Identity): Promise<Status> {
  try {
    const { status } = await answer(peer, emptyMessage({ execEndpoint: DRY_RUN, identity }), scope)
    return seal(status ?? { code: 'SUCCESS', description: '' })
  } catch (error) {
    return seal(statusOf(error as Error))
  }
}
