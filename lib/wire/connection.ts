import type { Handler } from '../request/handler.js'

/** What a server said of itself: a `ServiceStatus`, as far as that can be trusted. */
export interface ToldStatus {
  readonly address: string
  readonly status: unknown
}

/** The client's end of a wire: what sends requests over it. */
export interface Connection extends Handler {
  /** Such as `grpc://127.0.0.1:51000`. */
  readonly address: string
  /** Connects now, and not with the first request. @throws ConnectionError when nobody is there, or within reach */
  open(): unknown
  /** Asks whether who asks is let in, where connecting does not tell. @throws ConnectionError (`ERR_REFUSED`) */
  enter?(): Promise<void>
  /**
   * What the server does, as it says itself, over wires that ask for it: an entry for each address behind a name, and none of who says nothing of the kind.
   * @param live as `statusAsked()` takes it
   * @throws ConnectionError
   */
  status?(live: string): Promise<readonly ToldStatus[]>
  /**
   * Ends what is under way, connecting too. Whoever closes it asks nothing of it any more: see Client, which says so on all wires.
   * @param reason what those are told who wait
   */
  close(reason?: unknown): unknown
  /** Whether a Flow answers there, and all its executors are up. Never throws. */
  isReady(options?: { signal?: AbortSignal; timeout?: number }): Promise<boolean>
}
