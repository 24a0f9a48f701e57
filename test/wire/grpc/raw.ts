import { Client, credentials, type Metadata, type StatusObject } from '@grpc/grpc-js'

const same = (bytes: Buffer): Buffer => bytes

/** A client that sends any bytes to any method, as grpcurl and clients in other languages do. */
export class Raw {
  readonly client: Client

  constructor(address: string) {
    this.client = new Client(address.replace(/^grpc:\/\//, ''), credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  }

  bidi(method: string, metadata?: Metadata) {
    return metadata === undefined ? this.client.makeBidiStreamRequest(method, same, same) : this.client.makeBidiStreamRequest(method, same, same, metadata)
  }

  /** Sends all messages on one stream and says all that came back, and how it ended. */
  converse(method: string, messages: readonly Buffer[], metadata?: Metadata): Promise<{ answers: Buffer[]; status: StatusObject }> {
    return new Promise((resolve) => {
      const call = this.bidi(method, metadata)
      const answers: Buffer[] = []
      call.on('data', (answer: Buffer) => answers.push(answer))
      call.on('error', () => {})
      call.on('status', (status) => setImmediate(() => resolve({ answers, status })))
      for (const message of messages) call.write(message)
      call.end()
    })
  }

  unary(method: string, message: Buffer): Promise<{ answer: Buffer | undefined; status: StatusObject }> {
    return new Promise((resolve) => {
      let answer: Buffer | undefined
      const call = this.client.makeUnaryRequest(method, same, same, message, (_, given) => {
        answer = given
      })
      call.on('status', (status) => setImmediate(() => resolve({ answer, status })))
    })
  }

  server(method: string, message: Buffer) {
    return this.client.makeServerStreamRequest(method, same, same, message)
  }

  [Symbol.dispose](): void {
    this.client.close()
  }
}
