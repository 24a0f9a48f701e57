/** A cell that is not as it should be. */
export interface KnownRed {
  /** The number of this kind of fault. */
  readonly row: number
  /** The row of the contract. */
  readonly name: string
  readonly ways: readonly string[]
  /** What is seen today, to the letter. */
  readonly seen: string
}

/** All that is wrong today, by kind of fault. This list becomes shorter, never longer. */
export const KNOWN_REDS: readonly KnownRed[] = [
  // 176: a status of a proxy means another thing on each wire
  { row: 176, name: 'a proxy answers 429', ways: ['client http', 'client websocket', 'fetch'], seen: 'ConnectionError ERR_REFUSED, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 400', ways: ['client grpc', 'client websocket', 'graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 408', ways: ['client grpc', 'client websocket', 'graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 413', ways: ['client grpc', 'client websocket', 'graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 429', ways: ['client grpc'], seen: 'ConnectionError ERR_DISCONNECTED, asked 3 of 3 times' },
  { row: 176, name: 'a proxy answers 500', ways: ['client grpc', 'client websocket', 'graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 502', ways: ['client grpc'], seen: 'ConnectionError ERR_DISCONNECTED, asked 3 of 3 times' },
  { row: 176, name: 'a proxy answers 503', ways: ['client grpc'], seen: 'ConnectionError ERR_DISCONNECTED, asked 3 of 3 times' },
  { row: 176, name: 'a proxy answers 504', ways: ['client grpc'], seen: 'ConnectionError ERR_DISCONNECTED, asked 3 of 3 times' },
  { row: 176, name: 'a proxy answers 502', ways: ['client websocket', 'graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 504', ways: ['client websocket', 'graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 403', ways: ['graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 429', ways: ['graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 503', ways: ['graphql'], seen: 'ConnectionError ERR_PROTOCOL, asked 1 of 3 times' },
  {
    row: 176,
    name: 'a proxy answers 400',
    ways: ['external grpc', 'external websocket'],
    seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_PROTOCOL), asked 1 of 3 times',
  },
  {
    row: 176,
    name: 'a proxy answers 408',
    ways: ['external grpc', 'external websocket'],
    seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_PROTOCOL), asked 1 of 3 times',
  },
  {
    row: 176,
    name: 'a proxy answers 413',
    ways: ['external grpc', 'external websocket'],
    seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_PROTOCOL), asked 1 of 3 times',
  },
  { row: 176, name: 'a proxy answers 429', ways: ['external grpc'], seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_DISCONNECTED), asked 3 of 3 times' },
  {
    row: 176,
    name: 'a proxy answers 500',
    ways: ['external grpc', 'external websocket'],
    seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_PROTOCOL), asked 1 of 3 times',
  },
  { row: 176, name: 'a proxy answers 502', ways: ['external grpc'], seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_DISCONNECTED), asked 3 of 3 times' },
  { row: 176, name: 'a proxy answers 503', ways: ['external grpc'], seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_DISCONNECTED), asked 3 of 3 times' },
  { row: 176, name: 'a proxy answers 504', ways: ['external grpc'], seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_DISCONNECTED), asked 3 of 3 times' },
  {
    row: 176,
    name: 'a proxy answers 429',
    ways: ['external http', 'external websocket'],
    seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_REFUSED), asked 1 of 3 times',
  },
  { row: 176, name: 'a proxy answers 502', ways: ['external websocket'], seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_PROTOCOL), asked 1 of 3 times' },
  { row: 176, name: 'a proxy answers 504', ways: ['external websocket'], seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_PROTOCOL), asked 1 of 3 times' },
  // 179: differs by wire: the code of an error is not sent
  {
    row: 179,
    name: 'an executor leaves what is no document',
    ways: ['client grpc', 'client http', 'client websocket', 'external grpc', 'external http', 'external websocket', 'fetch'],
    seen: 'among others: answered, ExecutorError ERR_EXECUTOR of actor, answered; alone: ExecutorError ERR_EXECUTOR of actor; after: answered',
  },
  {
    row: 179,
    name: 'a message that cannot be read, at once: the other end finds it',
    ways: ['client http', 'fetch'],
    seen: 'among others: answered, the post ends with ConnectionError ERR_REFUSED; alone: ConnectionError ERR_REFUSED; after: answered',
  },
  // 231: certificates by wire
  {
    row: 231,
    name: "TLS: a client's certificate of another authority",
    ways: ['client http', 'client websocket', 'graphql'],
    seen: 'ConnectionError ERR_DISCONNECTED',
  },
  {
    row: 231,
    name: "TLS: a client's certificate of another authority",
    ways: ['external http', 'external websocket'],
    seen: 'ExecutorError ERR_EXECUTOR of actor (ERR_DISCONNECTED)',
  },
]
