import type { Plugin } from 'graphql-yoga'
import { Cors, type CorsOption } from '../../cors.js'

/** Answers browsers that ask for another origin, and lets pages of the named origins read. Other origins get no header at all. */
export function allowOrigins(option: Exclude<CorsOption, false>): Plugin {
  const cors = new Cors(option)
  return {
    onRequest({ request, fetchAPI, endResponse }) {
      if (request.method !== 'OPTIONS') return
      const permitted = cors.permitted(request.headers.get('origin'), 'GET, POST', request.headers.get('access-control-request-headers'))
      endResponse(new fetchAPI.Response(null, { status: 204, headers: { 'content-length': '0', ...permitted } }))
    },
    onResponse({ request, response }) {
      for (const [name, value] of Object.entries(cors.granted(request.headers.get('origin')))) response.headers.set(name, value)
    },
  }
}
