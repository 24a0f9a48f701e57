import type { ExecutorClass } from '../../../lib/flow/options.js'
import { type ExecutorFunction, Flow } from '../../../lib/index.js'
import type { PostOptions } from '../../../lib/post/options.js'
import { type Post, post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'
import type { GrpcConnectOptions, GrpcSpeakerOptions } from '../../../lib/wire/grpc/options.js'
import { type Listening, serveGrpc as serve } from '../../support/serving.js'

/** A Flow of one executor called `worker`, a server for it on loopback, and a client; all gone at the end of the block. */
export async function world(uses: ExecutorFunction | ExecutorClass, served: GrpcSpeakerOptions & Listening = {}, connected: GrpcConnectOptions = {}) {
  const flow = await new Flow({ closeTimeout: 100 }).add({ name: 'worker', uses }).open()
  const reported: Error[] = []
  const server = await serve(flow, { onError: (error) => reported.push(error), ...served })
  const client = connect(server.address, connected)
  return {
    flow,
    server,
    client,
    /** What the server said went wrong on its side. */
    reported,
    post: (on: string, inputs?: any, options: PostOptions = {}): Post => post(client, on, inputs, options),
    async [Symbol.asyncDispose]() {
      client.close()
      await server.close()
      await flow.close()
    },
  }
}
