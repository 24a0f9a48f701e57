import type { Client } from '../../lib/client/index.js'
import type { PostOptions } from '../../lib/post/options.js'

export type Way = 'grpc' | 'http' | 'websocket' | 'graphql'
export const WAYS: readonly Way[] = ['grpc', 'http', 'websocket', 'graphql']
export const PROTOCOLS = ['grpc', 'http', 'websocket'] as const
export const SCHEMES = { grpc: 'grpc', http: 'http', websocket: 'ws', graphql: 'http' } as const
const SECURE = { grpc: 'grpcs', http: 'https', websocket: 'wss', graphql: 'https' } as const

export const schemeOf = (way: Way, isSecure: boolean): string => (isSecure ? SECURE : SCHEMES)[way]

/** What comes back for texts, by `post()` or by `mutate()`. */
export async function texts(way: Way, client: Client, given: readonly string[], options: PostOptions = {}): Promise<string[]> {
  if (way !== 'graphql') return (await client.post('/', given, { resultsInOrder: true, ...options }).docs()).texts
  const { data } = await client.mutate('mutation ($data: [StrawberryDocumentInput!]) { docs(data: $data) { text } }', { data: given.map((text) => ({ text })) })
  return data.docs.map(({ text }: { text: string }) => text)
}
