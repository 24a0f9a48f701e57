import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Handler } from '../../lib/request/handler.js'
import { createGraphQL, type GraphQLOptions } from '../../lib/wire/graphql/index.js'

export interface Answer {
  status: number
  headers: Headers
  data: any
  errors: any[]
  text: string
}

/** A real server on loopback. What it reports is kept in `reported`. */
export async function serve(peer: Handler, options: GraphQLOptions = {}) {
  const reported: unknown[] = []
  const server = createServer(createGraphQL(peer, { onError: (error) => reported.push(error), ...options }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/graphql`
  return {
    url,
    port,
    reported,
    /** Sends an operation as clients do. */
    ask: (query: string, variables?: object, init: RequestInit = {}) => send(url, { body: JSON.stringify({ query, variables }), ...init }),
    /** Sends anything. */
    send: (init: RequestInit, search = '') => send(url + search, init),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function send(url: string, { headers, ...init }: RequestInit): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers: headers ?? { 'content-type': 'application/json' }, ...init })
  const text = await response.text()
  const { data, errors } = response.headers.get('content-type')?.includes('json') && text !== '' ? JSON.parse(text) : ({} as any)
  return { status: response.status, headers: response.headers, data, errors, text }
}
