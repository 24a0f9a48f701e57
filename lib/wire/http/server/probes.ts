import { asError } from '../../../base/errors.js'
import { runsOn } from '../../../base/runs-on.js'
import { VERSION } from '../../../base/version.js'
import { DRY_RUN } from '../../../executor/bindings.js'
import type { Limiter } from '../../../handler/limits.js'
import type { Handler } from '../../../request/handler.js'
import type { Scope } from '../../../stream/scope.js'
import type { Identity } from '../../identity.js'
import { answer, emptyMessage } from '../../message.js'
import { statusAsked } from '../../service-status.js'
import { publicStatus } from '../../status.js'
import type { Settings } from '../options.js'
import { statusOf } from '../write.js'

/** Jina's StatusProto: whether a request comes through. */
export async function dryRun(peer: Handler, scope: Scope, { exposeStacks }: Settings, identity: Identity | undefined): Promise<object> {
  const fine = { code: 0, description: '', exception: null }
  try {
    const { status } = await answer(peer, emptyMessage({ execEndpoint: DRY_RUN, context: { identity } }), scope)
    return statusOf(status, exposeStacks) ?? fine
  } catch (error) {
    return statusOf(publicStatus(asError(error)), exposeStacks) ?? fine
  }
}

const started = new Date().toISOString()

/**
 * What runs here: texts by name, as Jina has them, and what it does, under `sluice`. Nothing of the environment: it may hold secrets.
 * @param addresses whether who asks may know where executors elsewhere are
 * @param live as {@link statusAsked} takes it
 */
export async function about(limiter: Limiter, addresses: boolean, live: string | null): Promise<object> {
  const { versions, platform, arch } = (globalThis as { process?: { versions?: Record<string, string>; platform?: string; arch?: string } }).process ?? {}
  return {
    jina: {
      sluice: VERSION,
      runtime: runsOn ?? 'unknown',
      version: versions?.[runsOn!] ?? '',
      platform: platform ?? '',
      architecture: arch ?? '',
      uptime: started,
    },
    envs: {},
    sluice: { version: VERSION, ...(await statusAsked(limiter, addresses, live)) },
  }
}
