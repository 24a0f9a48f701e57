import type { Plugin } from 'graphql-yoga'
import type { CorsOptions } from './options.js'

/** Answers browsers that ask for another origin, and lets pages of the named origins read. Other origins get no header at all. */
export function allowOrigins({ origins, credentials = false }: CorsOptions): Plugin {
  const allows = (origin: string | null) => origin !== null && (origins === '*' || origins.includes(origin))
  return {
    onRequest({ request, fetchAPI, endResponse }) {
      if (request.method !== 'OPTIONS') return
      const headers: Record<string, string> = { 'content-length': '0' }
      if (allows(request.headers.get('origin'))) {
        headers['access-control-allow-methods'] = 'GET, POST'
        headers['access-control-allow-headers'] = request.headers.get('access-control-request-headers') ?? 'content-type'
        headers['access-control-max-age'] = '600'
      }
      endResponse(new fetchAPI.Response(null, { status: 204, headers }))
    },
    onResponse({ request, response }) {
      const origin = request.headers.get('origin')
      if (origins !== '*') response.headers.set('vary', 'Origin, Access-Control-Request-Headers')
      if (!allows(origin)) return
      response.headers.set('access-control-allow-origin', origins === '*' ? '*' : origin!)
      if (credentials) response.headers.set('access-control-allow-credentials', 'true')
    },
  }
}
