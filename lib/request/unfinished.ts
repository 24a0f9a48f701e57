import type { Request } from './request.js'

/** Resolves when nothing of a request goes on any more, also of what began to linger meanwhile. Nothing, if nothing does. */
export function whenFinished(request: Request): Promise<void> | undefined {
  return request.unfinished === undefined ? undefined : wait(request)
}

async function wait(request: Request): Promise<void> {
  while (request.unfinished !== undefined) {
    const { unfinished } = request
    request.unfinished = undefined
    await unfinished
  }
}
