import type { Handler } from '../request/handler.js'
import type { Header } from '../request/request.js'
import type { Response } from '../request/response.js'
import { type Batches, batches } from './batches.js'
import type { PostOptions } from './options.js'

/** What a post is made of. */
export interface Job {
  readonly peer: Handler
  readonly header: Header
  readonly inputs: unknown
  /** Documents in a request. */
  readonly size: number
  readonly flushAfter: number
  readonly options: PostOptions
  /** The stage that has a peer answer batches of inputs. */
  answering(peer: Handler, inputs: unknown): (batches: Batches) => AsyncIterableIterator<Response>
}

/** Responses, what is left of the inputs they are for, and how many documents an earlier run did. */
export interface Prepared {
  readonly responses: AsyncIterableIterator<Response>
  readonly inputs: unknown
  readonly skipped: number
}

/** The responses of a post that something is loaded for first: its checkpoint, its progress bar. */
export async function prepared(job: Job): Promise<AsyncIterableIterator<Response>> {
  const { checkpoint, showProgress, totalDocs, signal } = job.options
  const { responses, inputs, skipped } = checkpoint === undefined ? begun(job) : await import('./checkpoint.js').then(({ resumed }) => resumed(job))
  if (!showProgress) return responses
  const [{ Watched }, { expected, Progress }] = await Promise.all([import('./watch.js'), import('./progress.js')])
  const left = totalDocs === undefined ? undefined : Math.max(totalDocs - skipped, 0)
  return new Watched(responses, new Progress(expected(inputs, job.size, left), undefined, skipped), job.inputs, signal)
}

function begun({ peer, inputs, size, flushAfter, answering }: Job): Prepared {
  return { responses: answering(peer, inputs)(batches(size, flushAfter)(inputs)), inputs, skipped: 0 }
}
