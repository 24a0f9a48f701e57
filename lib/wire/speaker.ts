/** What the server's end of every wire is told. */
export interface SpeakerOptions {
  /** Bytes of one message or body, unpacked. Default 100 MiB. What is larger is refused, as soon as that is known. */
  maxMessageBytes?: number | undefined
  /** The most documents of one request, chunks and matches included. Default 50,000, which take some 30 ms to write; Infinity is no bound. */
  maxDocuments?: number | undefined
  /** Bytes of one message or body in JSON, and no more than `maxMessageBytes`. Default 16 MiB. */
  maxJsonBytes?: number | undefined
  /** The most requests of one connection or stream between its wire and the executors. Default 16, as `post()` has it. */
  prefetch?: number | undefined
  /** Whether clients get to see stacks of executors' errors. Default `false`: they stay in the process. */
  exposeStacks?: boolean | undefined
  /** Told of what is wrong with the server itself, not with a request. Default: console.error. */
  onError?: ((error: Error) => void) | undefined
}

/** The server's end of a wire, on connections that the gateway accepts. */
export interface Speaker<Taken extends readonly unknown[] = readonly unknown[]> {
  /** Answers a connection, or a request. @returns whether it is for this wire */
  take(...taken: Taken): boolean
  /** Says that it is not ready any more, and goes on. */
  unready(): void
  /**
   * Takes nothing new, and resolves when nothing is under way.
   * @param time milliseconds until it is closed
   */
  drain(time: number): Promise<void>
  /** Hangs up on what is still under way. */
  close(): Promise<void>
}
