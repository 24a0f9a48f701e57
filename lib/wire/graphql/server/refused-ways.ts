import { GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { SOCKETS } from './sockets.js'

/** The status of an answer in a type that nobody here writes. */
const NOT_ACCEPTABLE = 406

/** What clients try that is not offered here: each is told what is, in the words that they know. */
export function refusedWays(): Plugin {
  return {
    onRequest({ request, fetchAPI, endResponse }) {
      // On servers that hand it over: the gateway's own closes with the same words.
      if (/(^|,)\s*websocket\s*(,|$)/i.test(request.headers.get('upgrade') ?? '')) endResponse(refusal(fetchAPI, 426, SOCKETS, 'UPGRADE_REQUIRED'))
    },
    onParams({ params }) {
      if (params.query == null && typeof params.extensions?.persistedQuery === 'object') throw new AggregateError(NOT_KEPT.map(unknown))
    },
    onResponse({ request, response, fetchAPI, setResponse }) {
      // Yoga says nothing.
      if (response.status !== NOT_ACCEPTABLE || response.body !== null) return
      const accept = request.headers.get('accept')
      const message = `Nothing is answered as ${JSON.stringify(accept)}. Send accept: application/json, or text/event-stream for a subscription`
      setResponse(refusal(fetchAPI, response.status, message, 'NOT_ACCEPTABLE', response.headers))
    },
  }
}

/** Whoever sends a hash knows one of these, and sends the text then; who knows the second sends no hash any more. */
const NOT_KEPT = [
  ['PersistedQueryNotFound', 'PERSISTED_QUERY_NOT_FOUND'],
  ['PersistedQueryNotSupported', 'PERSISTED_QUERY_NOT_SUPPORTED'],
] as const

/** With 200, as Apollo's server does: links look into the answer, and not at the status. */
function unknown([message, code]: (typeof NOT_KEPT)[number]): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status: 200 } } })
}

function refusal(
  { Response }: { Response: typeof globalThis.Response },
  status: number,
  message: string,
  code: string,
  given?: globalThis.Headers,
): globalThis.Response {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' }
  // Among them what pages of other origins are granted. What yoga calls `accept` says nothing to anybody.
  given?.forEach((value, name) => {
    if (name !== 'accept' && name !== 'content-length') headers[name] = value
  })
  return new Response(JSON.stringify({ errors: [{ message, extensions: { code } }] }), { status, headers })
}
