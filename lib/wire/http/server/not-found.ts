import { nearest } from '../../../base/nearest.js'
import type { Route } from './routes.js'

/** Longer paths are not said back. */
const LONGEST = 100

/** What to say of a path where nothing is, behind the words of HTTP: what was most likely meant. Nothing of who asks is in it but the path. */
export function notFound(path: string, routes: readonly Route[]): string {
  if (/^\/(api\/)?graphql\/?$/i.test(path)) return 'Not Found: no GraphQL answers here. Serve the Flow with graphql: true, or ask at its path'
  const offered = [...new Set(routes.map((route) => route.path))]
  const near = nearest(path, offered)
  const meant = near === undefined ? '' : ` Did you mean ${near}?`
  if (path.length > LONGEST || !/^[\x21-\x7e]*$/.test(path)) return 'Not Found: nothing is at this path. GET /docs shows what is'
  const post = offered.includes('/post')
    ? `. Any endpoint of the executors is asked by POST /post with {"execEndpoint": ${JSON.stringify(path)}, "data": […]}`
    : ''
  return `Not Found: nothing is at ${path}.${meant || ' GET /docs shows what is'}${meant ? '' : post}`
}

/** What to say of a path that is asked in another way. */
export function notAllowed(path: string, methods: Iterable<string>): string {
  return `Method Not Allowed: ${path} takes ${[...methods].join(', ')}. GET /docs shows what is taken where`
}
