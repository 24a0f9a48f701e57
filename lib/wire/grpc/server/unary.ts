import { Metadata, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { publishBytes } from '../../../base/events.js'
import { VERSION } from '../../../base/version.js'
import { DocumentArray } from '../../../doc/array.js'
import { DRY_RUN } from '../../../executor/bindings.js'
import { RESULTS } from '../../../request/parameters.js'
import { Scope } from '../../../stream/scope.js'
import { chargeDocuments } from '../../charge.js'
import type { CallContext } from '../../context-headers.js'
import { emptyMessage, type Message } from '../../message.js'
import { decodeMessages, encodeEndpoints, encodeInfo, encodeStatus } from '../../proto/index.js'
import { asBuffer, METADATA } from '../methods.js'
import { contextOf } from './authentication.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { onLeave } from './cancellation.js'
import { charged } from './charges.js'
import { endOf, refusalBehind } from './failures.js'
import type { Share } from './share.js'

type Call = ServerUnaryCall<Buffer, Buffer>
type Reply = (bytes: Uint8Array, failed?: boolean, to?: Message) => void

/** A unary method: what it throws becomes the call's status. */
export function unary(
  underWay: CallsUnderWay,
  method: (bytes: Buffer, scope: Scope, reply: Reply, share: Share, context: CallContext) => void | Promise<void>,
): (call: Call, done: sendUnaryData<Buffer>) => Promise<void> {
  return async (call, done) => {
    const scope = new Scope()
    const stay = onLeave(call, (reason) => scope.abort(reason))
    let leave: (() => void) | undefined
    try {
      const { charges, share, leave: out } = underWay.enter(call)
      leave = out
      charges?.taken(false)
      const reply: Reply = (bytes, failed, to) => {
        if (to !== undefined) charges?.answered(to, bytes)
        // Nobody says when it is taken but the end of the call.
        charges?.answers(bytes.length)
        if (to !== undefined) publishBytes('server', 'sent', 'grpc', bytes)
        const trailers = new Metadata()
        if (failed) trailers.set(METADATA.isError, 'true')
        done(null, asBuffer(bytes), trailers)
      }
      const context = contextOf(call)
      await charged(charges?.next(call.request.length), (charge) =>
        Promise.resolve(method(call.request, scope, reply, share, charge === undefined ? context : Object.assign({}, context, { hold: charge.hold }))),
      )
    } catch (error) {
      if (!scope.aborted) done(endOf(error, underWay.settings.onError))
    } finally {
      leave?.()
      stay()
    }
  }
}

/** `process_single_data` */
export function single(underWay: CallsUnderWay) {
  return unary(underWay, async (bytes, scope, reply, share, context) => {
    const message = await underWay.decodeInTurns(bytes)
    chargeDocuments(context.hold, message.docs.length)
    const answer = answered(await underWay.answer({ context, ...message }, scope, share))
    await said(underWay, message, answer, reply)
  })
}

/** `process_data`: the parts of a request that come from several executors before, in their order. */
export function several(underWay: CallsUnderWay) {
  return unary(underWay, async (bytes, scope, reply, share, context) => {
    publishBytes('server', 'received', 'grpc', bytes)
    const parts = underWay.understand(() => decodeMessages(bytes, underWay.settings))
    const message = united(parts)
    chargeDocuments(context.hold, message.docs.length)
    const answer = answered(await underWay.answer({ context, ...message }, scope, share))
    await said(underWay, message, answer, reply)
  })
}

/** What cannot be written has become an error, too. */
async function said(underWay: CallsUnderWay, message: Message, answer: Message, reply: Reply): Promise<void> {
  let failed = answer.status?.code === 'ERROR'
  const bytes = await underWay.encodeInTurns(answer, () => {
    failed = true
  })
  reply(bytes, failed, message)
}

/** @throws Refusal when an executor is out of reach */
function answered(answer: Message): Message {
  const refusal = refusalBehind(answer)
  if (refusal !== undefined) throw refusal
  return answer
}

function united(parts: readonly Message[]): Message {
  const [first = emptyMessage({}), ...others] = parts
  if (others.length === 0) return first
  // By spreading, which makes a key named __proto__ a key like others.
  let results = {}
  const docs = new DocumentArray()
  for (const part of parts) {
    results = { ...results, ...part.parameters[RESULTS] }
    for (const doc of part.docs) docs.push(doc)
  }
  return { ...first, parameters: { ...first.parameters, [RESULTS]: results }, docs }
}

/** `dry_run`: whether a request comes through. An executor that fails is an answer, as in Jina. */
export function dryRun(underWay: CallsUnderWay) {
  return unary(underWay, async (_bytes, scope, reply, share, context) => {
    const { status } = await underWay.answer(emptyMessage({ execEndpoint: DRY_RUN, context }), scope, share)
    reply(encodeStatus(status ?? { code: 'SUCCESS', description: '' }))
  })
}

/** What says what documents are, to clients of docarray ≥ 0.30. */
export const models = () => import('./models.js')

/** `endpoint_discovery` */
export function discovery(underWay: CallsUnderWay) {
  return unary(underWay, async (_bytes, _scope, reply) => {
    const { endpoints, model, describe } = underWay.settings
    // Documents of docarray 0.x are of one class, whatever anybody says of them.
    const descriptions = model === 'v2' ? await describe() : undefined
    reply(encodeEndpoints(endpoints(), descriptions && (await models()).modelsOf(descriptions)))
  })
}

/** `_status`: what runs here. The environment stays here. */
export function info(underWay: CallsUnderWay) {
  return (call: Call, done: sendUnaryData<Buffer>): Promise<void> => {
    const answer = unary(underWay, async (_bytes, _scope, reply) => {
      const { model, status } = underWay.settings
      const [live] = call.metadata.get(METADATA.live)
      // Jina's message has texts alone.
      const said = status && { status: JSON.stringify(await status(live?.toString())) }
      reply(encodeInfo({ jina: { sluice: VERSION, platform: 'sluice', node: process.versions.node, 'docarray-model': model, ...said }, envs: {} }))
    })
    return answer(call, done)
  }
}
