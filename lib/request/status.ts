import { ExecutorError, read, say } from '../base/errors.js'

/** How a request ended (Jina's StatusProto). */
export interface Status {
  code: 'SUCCESS' | 'ERROR'
  description: string
  exception?: {
    /** The class of what was thrown. */
    name: string
    args: string[]
    /** Stack lines, the cause's included. They stay in this process unless a gateway is told to send them. */
    stacks: string[]
    /** The executor's name in the Flow. */
    executor: string
  }
}

export function statusOf(error: Error | undefined): Status {
  if (error === undefined) return { code: 'SUCCESS', description: '' }
  const thrown = error instanceof ExecutorError && error.cause !== undefined ? error.cause : error
  const stack = read(thrown, 'stack')
  return {
    code: 'ERROR',
    description: say(error),
    exception: {
      name: read(thrown, 'name') || typeof thrown,
      args: [say(thrown)],
      stacks: stack === '' ? [] : stack.split('\n'),
      executor: error instanceof ExecutorError ? error.executor : '',
    },
  }
}
