import type { FlowOptions, Plan, Runtime } from '../flow/options.js'
import type { Scope } from '../stream/scope.js'
import { checkPlace } from './options.js'
import type { Started } from './place.js'

/** Where executors run that do not run in this process, and not beside it: each is loaded when there is one. */
const PLACES = {
  external: () => import('./external.js'),
  thread: () => import('./thread.js'),
  process: () => import('./process.js'),
  container: () => import('./container.js'),
  daemon: () => import('./daemon.js'),
}

/**
 * Begins the instances of an executor at its place. Of one that stays in this process, it only checks what it was told.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for options that would have no effect there; what the place throws
 */
export async function startElsewhere(
  step: Plan['steps'][number],
  flow: FlowOptions,
  runtime: Runtime,
  names: ReadonlySet<string>,
  scope: Scope,
): Promise<Started | undefined> {
  checkPlace(step, flow)
  const place = PLACES[runtime as keyof typeof PLACES] as (() => Promise<typeof import('./thread.js')>) | undefined
  return (await place?.())?.start(step, flow, names, scope)
}
