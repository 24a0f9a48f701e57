import { FlowBuildError, say, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { node } from '../base/node.js'
import { NO_CLASS } from '../config/uses.js'
import { Executor } from '../executor/executor.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import { PORT } from '../place/docker.js'
import { checkPlace, ONLY_HERE, runtimeOf } from '../place/options.js'
import { GATEWAY } from '../request/route.js'
import { executorUnits, shardName, shardsOf } from './executor-units.js'
import { gatewayUnit } from './gateway-unit.js'
import type { ExportOptions } from './options.js'
import { askingOf, type Queue, queueOf } from './queue.js'
import { isHere, NO_SECRET, secretsOf } from './secrets.js'
import { dns, NATS, READY, type Surroundings, type Unit } from './unit.js'

/**
 * What containers a Flow is made of.
 * @param wrong what else is wrong with one, where anything is
 * @throws FlowBuildError (`ERR_USES_INVALID`) that names all that cannot go, and why; OptionTypeError for options of containers that there are not
 */
export async function unitsOf(
  plan: Plan,
  options: ExportOptions,
  around: Surroundings,
  wrong: (unit: Unit) => string | undefined = () => undefined,
): Promise<readonly Unit[]> {
  const problems: string[] = []
  const refuse = (name: string, why: string): void => void problems.push(`${name} ${why}`)
  const queue = queueOf(plan, options, around)
  const names = namesOf(plan, queue === undefined ? [] : [NATS])
  checkNames(plan, options)
  const units: Unit[] = []
  const steps: Plan['steps'][number][] = []
  const { resolve } = await node('path')
  for (const step of plan.steps) {
    const { name, options: own } = step
    try {
      checkPlace(step, plan.options)
    } catch (error) {
      problems.push(say(error))
      continue
    }
    for (const what of ['input', 'output', 'signal'] as const)
      if (own[what] !== undefined) refuse(name, `has ${what}, which is given in code only. ${what === 'signal' ? 'Take it out' : 'Give its class the schemas'}`)
    if (typeof own.when === 'function') refuse(name, 'has a function for when, which is given in code only. Write it as a query')
    if (own.external) {
      for (const host of [own.host ?? '127.0.0.1'].flat())
        if (isHere(host)) refuse(name, `is external at ${show(host)}, which is another machine to each container. Name it as it is found from there`)
      for (const what of secretsOf(own)) refuse(name, `has ${what}, which would stand in a file for all to read. ${NO_SECRET}`)
      if (own.tokenFile !== undefined) refuse(name, 'has a tokenFile of this machine. Give it token, and name a Secret for it by secrets')
      steps.push(step)
      continue
    }
    if (isInside(own)) {
      const { workspace: _, runtime: __, env: ___, ...kept } = own
      steps.push({ ...step, options: kept })
      continue
    }
    if (runtimeOf(own, plan.options) === 'daemon') {
      refuse(name, "runs at a daemon, of which containers know nothing. Take runtime: 'daemon' and its host out, or reach it as external")
      continue
    }
    const made = await executorUnits(step, plan.options, options, around, names.get(name)!, queue, refuse, resolve)
    units.push(...made)
    const why = wrong(made[0]!)
    if (why !== undefined) refuse(name, why)
    steps.push({
      ...step,
      options: outside(
        own,
        plan.options,
        made.map(({ name, queue: at }) => at ?? `grpc://${name}:${PORT}`),
        queue,
      ),
    })
  }
  if (options.gateway !== false) {
    const gateway = await gatewayUnit(plan, steps, options, around, queue, problems)
    const why = wrong(gateway)
    if (why !== undefined) refuse(GATEWAY, why)
    units.unshift(gateway)
  }
  if (problems.length > 0)
    throw new FlowBuildError('ERR_USES_INVALID', `${plan.name} cannot be exported: ${problems.map((problem) => problem.replace(/\.$/, '')).join('; ')}`)
  return units
}

/** Whether it has nothing to run elsewhere: it lets documents pass, or joins them. */
function isInside({ uses, runtime }: AddOptions): boolean {
  return (uses === undefined && (runtime ?? 'inline') === 'inline') || (uses as unknown) === Executor || NO_CLASS.includes(uses as string)
}

/** A name that Kubernetes and DNS take, of its own. */
function namesOf({ steps }: Plan, others: readonly string[]): Map<string, string> {
  // The latter is a file of Kustomize.
  const taken = new Set([GATEWAY, 'kustomization', ...others])
  const names = new Map<string, string>()
  for (const { name, options } of steps) {
    const stem = dns(name)
    const all = (own: string): string[] => Array.from({ length: shardsOf(options) ?? 1 }, (_, at) => shardName(own, shardsOf(options) && at))
    let own = stem
    for (let at = 2; all(own).some((one) => taken.has(one)); at++) own = `${stem}-${at}`
    for (const one of all(own)) taken.add(one)
    names.set(name, own)
  }
  return names
}

/** @throws OptionTypeError for options of containers that there are not */
function checkNames({ steps }: Plan, options: ExportOptions & { readonly volumes?: object | undefined; readonly autoscale?: unknown }): void {
  const known = [GATEWAY, ...steps.map(({ name }) => name)]
  for (const option of ['images', 'env', 'secrets', 'volumes'] as const)
    for (const name of Object.keys(options[option] ?? {})) {
      if (known.includes(name)) continue
      const near = nearest(name, known)
      throw new FlowBuildError('ERR_USES_INVALID', `${option} names ${show(name)}, and there is ${near === undefined ? `only ${known.join(', ')}` : `${near}`}`)
    }
}

/** An executor as its gateway sees it: elsewhere, at a name. */
function outside(own: AddOptions, flow: FlowOptions, hosts: readonly string[], queue: Queue | undefined): AddOptions {
  const HERE = new Set<string>([...ONLY_HERE, 'concurrency', 'stuckAfter', 'runtime'])
  const kept = Object.fromEntries(Object.entries(own).filter(([option, value]) => !HERE.has(option) && value !== undefined))
  return {
    ...kept,
    external: true,
    ...(queue !== undefined && hosts[0]!.startsWith(NATS) && { nats: askingOf(queue) }),
    host: hosts.length === 1 ? hosts[0]! : hosts,
    // Requests wait while one is begun anew, as they do where the Flow begins it.
    readyTimeout: own.readyTimeout ?? READY,
    ...(flow.maxMessageBytes !== undefined && { maxMessageBytes: flow.maxMessageBytes }),
  }
}
