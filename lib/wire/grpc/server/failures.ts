import { type status as Code, Metadata } from '@grpc/grpc-js'
import { GATEWAY } from '../../../request/route.js'
import { againIn, type Message } from '../../message.js'
import { isOfRequest, outcome, Refusal, told } from '../../outcome.js'
import { publicMessage } from '../../public-message.js'
import { PUSHBACK, whenAgain } from '../../retry-after.js'
import { outcomeIn } from '../../status.js'
import { statusFor } from '../status.js'

/** What a call ends with that is not answered, as grpc-js takes it. */
export class CallEnd extends Error {
  readonly details: string
  /** What goes behind the call: when to ask again. */
  declare readonly metadata?: Metadata

  constructor(
    readonly code: Code,
    reason: string,
    again?: number,
  ) {
    const details = plain(reason)
    super(details)
    this.details = details
    if (again === undefined) return
    this.metadata = new Metadata()
    this.metadata.set(PUSHBACK, String(Math.ceil(again)))
  }
}

/** Why a call is not answered whose executor is out of reach, or whose request the server gave up: Jina's clients and gateways go by the status of the call. */
export function refusalBehind({ status, headers }: Message): Refusal | undefined {
  const { kind = 'failed' } = outcomeIn(status) ?? {}
  return kind === 'failed' ? undefined : new Refusal(kind, status!.description, undefined, againIn(headers))
}

/** Whether there is an answer, also to those who go by the status of a call: to what a server says of itself, and to what is wrong with one request of a stream. */
export function isAnswered({ status }: Message): boolean {
  const { kind = 'failed', executor } = outcomeIn(status) ?? {}
  return executor === GATEWAY || isOfRequest(kind)
}

/**
 * What a client is told of what was thrown.
 * @param report hears of what nobody expected, of which clients are told nothing
 */
export function endOf(error: unknown, report: (error: Error) => void): CallEnd {
  const said = told(error, report)
  const { kind } = outcome(said)
  return new CallEnd(statusFor(kind), publicMessage(said), whenAgain(kind, said))
}

/** grpc-js puts details into a header: it fails at halves of characters, and clients fail at very long ones. */
function plain(text: string): string {
  const short = text.length > 1000 ? `${text.slice(0, 999)}…` : text
  return short.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
}
