import type { ClientOptions } from '../../lib/client/index.js'
import type { AddOptions } from '../../lib/flow/options.js'
import type { GatewayOptions } from '../../lib/gateway/index.js'
import type { PostOptions } from '../../lib/index.js'
import type { Inputs } from '../../lib/post/inputs.js'
import type { Protocol } from '../../lib/wire/address.js'

/** An executor of the graph, as `add()` takes it. Where it runs is the way's own business. */
export type Step = AddOptions & { readonly name: string }

/** What comes back for a request: a Response, or what stands for it where there are none. */
export interface Answer {
  readonly docs: readonly any[] & { readonly texts: readonly string[] }
  readonly partial: boolean
  readonly ordinal: number
  /** What a partial answer brings, where its executor yields deltas. */
  readonly delta?: readonly { readonly at: number; readonly id: string; readonly text?: any; readonly blob?: any; readonly tags?: any }[] | undefined
  readonly parameters: Record<string, any>
  readonly routes: readonly { readonly executor: string }[]
  /** Documents that failed while the others went on, and what each failed at. */
  readonly failures: readonly { readonly doc: any; readonly executor: string; readonly error: any; readonly attempts: number }[]
  /** Given where it failed. */
  readonly error?: any
}

/** How both ends are set up. A way passes on what means something to it. */
export interface Ends {
  readonly gateway?: GatewayOptions
  readonly client?: Omit<ClientOptions, 'host' | 'port' | 'protocol'>
}

/** The other end, where there is one. */
export interface Far {
  /** Ends as a service does that is asked to: what is inside is let finish. */
  drain(): Promise<void>
  /** Hangs up, at once. */
  die(): Promise<void>
}

/** A graph that is open, and a way to it. */
export interface Opened extends AsyncDisposable {
  post(on: string, inputs?: Inputs<any>, options?: PostOptions): AsyncIterable<Answer>
  /** Closes this end. */
  close(): Promise<void>
  /** Whether the graph answers. */
  isReady(): Promise<boolean>
  readonly far?: Far
}

/** A way in: from whoever posts to the executors. */
export interface Way {
  readonly name: string
  readonly kind: 'inline' | 'place' | 'client' | 'graphql' | 'external' | 'fetch'
  /** What is spoken on it, if anything. */
  readonly protocol?: Protocol
  /** Opens the graph and closes the loop, over real sockets where there are any. */
  open(steps: readonly Step[], ends?: Ends): Promise<Opened>
  /** This end alone, towards whoever listens at a port of this machine. */
  reach?(port: number, options?: Ends['client'] & { readonly secure?: boolean; readonly host?: string }): Promise<Opened>
}

/** Whether there is one end, without a server that others reach: executors may run in threads, processes and at a daemon all the same. */
export const isHere = ({ kind }: Way): boolean => kind === 'inline' || kind === 'place'

/** What became of a post, in one line: who failed, at what, as far as the caller can tell by class and code. */
export function outcome(error: any): string {
  if (error === undefined) return 'answered'
  try {
    const { name, code, executor } = error
    const of = executor ? ` of ${executor}` : ''
    return `${name}${code === undefined ? `: ${error.message}` : ` ${code}`}${of}${whyOf(error)}`
  } catch {
    return `not an error: ${typeof error}`
  }
}

/** Of an executor that is out of reach. What executors throw may throw when it is looked at. */
function whyOf({ cause }: any): string {
  try {
    return cause?.name === 'ConnectionError' ? ` (${cause.code})` : ''
  } catch {
    return ''
  }
}
