import type { Plugin } from 'graphql-yoga'
import type { Settings } from '../options.js'
import { STATUS } from '../status.js'
import { type Asking, type Connection, readJson } from './body.js'
import { Page } from './page.js'

/**
 * What is decided before GraphQL is: the path, the page, and which bodies are read.
 *
 * Only `application/json` is: a browser asks before it sends that to another origin, while it sends forms and plain text for any page.
 */
export function gate({ path, graphiql, maxBodyBytes, maxDocuments, pages }: Settings): Plugin {
  const page = graphiql ? new Page(path, pages) : undefined
  return {
    async onRequest({ request, fetchAPI, endResponse }) {
      const { pathname, query } = target(request.url)
      if (pathname !== path && pathname !== `${path}/`)
        return endResponse(
          plain(
            fetchAPI,
            STATUS.unimplemented.status,
            `Nothing here. GraphQL is at ${path}. Where it is to be elsewhere, say so: createGraphQL(flow, { path: '/api/graphql' })\n`,
          ),
        )
      const answer = page && request.method === 'GET' ? await page.answer(query, request.headers, fetchAPI) : undefined
      if (answer !== undefined) endResponse(answer)
    },
    onResponse({ response }) {
      // As NDJSON and events of the other routes: nobody in between shall keep them back.
      if (/^(text\/event-stream|multipart)/.test(response.headers.get('content-type') ?? '')) response.headers.set('x-accel-buffering', 'no')
    },
    onRequestParse({ request, serverContext, setRequestParser, endResponse, fetchAPI }) {
      if (request.method !== 'POST') return
      if (!isRead(request)) {
        const message = 'Send the operation as application/json, not compressed: { "query": "…", "variables": { … } }'
        return endResponse(
          new fetchAPI.Response(JSON.stringify({ errors: [{ message, extensions: { code: STATUS.unsupported.code } }] }), {
            status: STATUS.unsupported.status,
            headers: { 'content-type': 'application/json; charset=utf-8' },
          }),
        )
      }
      const connection = serverContext as Connection
      setRequestParser((request) => connection.body ?? readJson(request, connection, maxBodyBytes, maxDocuments))
    },
  }
}

/** Whether a body is one that is read. */
export function isRead({ headers }: Pick<Asking, 'headers'>): boolean {
  const encoding = headers.get('content-encoding')
  return isJson(headers.get('content-type')) && (encoding === null || encoding === 'identity')
}

/**
 * Whether no page of another origin can have sent a request without being asked about it first: it has a header for which browsers
 * ask, or the browser itself says that the page is ours.
 */
export function isPreflighted({ headers }: Pick<Asking, 'headers'>): boolean {
  return (
    Boolean(headers.get('x-graphql-require-preflight') || headers.get('apollo-require-preflight') || headers.get('x-requested-with')) ||
    isJson(headers.get('content-type')) ||
    headers.get('sec-fetch-site') === 'same-origin'
  )
}

function isJson(type: string | null): boolean {
  return type !== null && /^\s*application\/json\s*(;|$)/i.test(type)
}

/** Which path an address of the platform's asks for; with all behind it, where there is more. */
export function pathOf(url: string): string {
  return url.slice(url.indexOf('/', url.indexOf('://') + 3))
}

function target(url: string): { pathname: string; query: string } {
  // By hand: a URL object costs more than most of what is done with it.
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const mark = url.indexOf('?', start)
  return { pathname: url.slice(start, mark === -1 ? undefined : mark), query: mark === -1 ? '' : url.slice(mark + 1) }
}

function plain(fetchAPI: { Response: typeof globalThis.Response }, status: number, text: string): globalThis.Response {
  return new fetchAPI.Response(text, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
