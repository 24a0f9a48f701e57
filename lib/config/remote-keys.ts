// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import type { RemoteOptions } from '../wire/remote-options.js'
import { FLAG, type Key, OBJECT, option, TEXT, TEXTS, TIME } from './keys.js'
import { BYTES } from './serving-keys.js'

const COMPRESSION = '^(?:[Gg]zip|[Dd]eflate|NoCompression)$'

/** How an executor elsewhere is spoken to. What is said of each is for the command line of a Client, too. */
export const REMOTE_KEYS: Readonly<Record<keyof RemoteOptions, Key>> = {
  tls: option(
    { oneOf: [FLAG, OBJECT] },
    'Whether it is spoken to in private: true, or { ca_file, key_file, cert_file, server_name }, whose files start at the folder of this one. Default false.',
  ),
  headers: option(TEXTS, 'Headers, or gRPC metadata, that go with each call.'),
  metadata: option(TEXTS, 'gRPC’s name for headers.'),
  token: option(TEXT, 'Shows who asks: from the environment only, as ${{ ENV.SLUICE_TOKEN }}. For a file, token_file.'),
  tokenFile: option(TEXT, 'The file of the token that shows who asks, from the folder of this file. Read again when it changes.'),
  forwardIdentity: option(FLAG, 'Whether it is told for whom it works. Default false.'),
  compression: option({ type: 'string', pattern: COMPRESSION }, 'Packs what is sent: gzip or deflate. Default none.'),
  maxMessageBytes: option(BYTES, 'Bytes of one answer. Default 100 MiB.'),
  docarray: option({ enum: ['v1', 'v2'] }, 'How documents are written over gRPC: v2 for servers with docarray 0.30 or later. Default v1.'),
  unary: option(FLAG, 'Whether each request is a call of its own over gRPC. Default false: posts share a stream.'),
  breaker: option(FLAG, 'Whether nobody is sent to an address while it is away. Default true.'),
  retryBudget: option(
    { type: 'number', minimum: 0 },
    'How many retries there may be in 10 s, for each request in that time; 100 there always may. Default 0.1; .inf is no bound.',
  ),
  nats: option(OBJECT, 'Over NATS: how its server is reached, as { prefix, servers, token_file, nkey_file, credentials_file }.'),
  connectTimeout: option({ ...TIME, minimum: 1 }, 'Milliseconds in which a connection must stand. Default 5000.'),
  keepalive: option(TIME, 'Milliseconds between pings, over gRPC and WebSocket; who does not answer by the next is gone. Default 30 000; 0 for none.'),
}
