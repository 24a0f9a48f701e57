import type { Handler } from '../../../peer.js'
import { type Status, statusOf } from '../../../request/response.js'
import { Scope } from '../../../stream/scope.js'
import { answer, emptyMessage } from '../../message.js'
import { seal } from './sealed.js'

/** What Jina's gateways ask to see whether all executors are up. */
const ENDPOINT = '_jina_dry_run_'

/** Whether a request without documents comes through. */
export async function dryRun(peer: Handler, scope = new Scope()): Promise<Status> {
  try {
    const { status } = await answer(peer, emptyMessage({ execEndpoint: ENDPOINT }), scope)
    return seal(status ?? { code: 'SUCCESS', description: '' })
  } catch (error) {
    return seal(statusOf(error as Error))
  }
}
