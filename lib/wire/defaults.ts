/** Bytes of one message: a hundred documents of 1 MiB, which a process bears some dozens of at a time. */
export const MAX_MESSAGE_BYTES = 100 * 1024 * 1024

/** Milliseconds in which a connection must stand: time for a lost packet to be sent again twice, after 1 and after 3 s. */
export const CONNECT_TIMEOUT = 5000

/** Milliseconds between pings: half of the minute after which many balancers forget a connection that says nothing. */
export const KEEPALIVE = 30_000

/** Milliseconds in which headers must be here: slow phones need 10 s, and who sends a byte a second holds a socket no longer. */
export const HEADERS_TIMEOUT = 30_000

/** Milliseconds in which a body, or the next piece of one that is waited for, must be here. */
export const BODY_TIMEOUT = 60_000

/** Milliseconds for which a client may take nothing of what it was sent: a phone that loses its net for a moment is back by then. */
export const STALL_TIMEOUT = 60_000

/** Milliseconds of silence before a streamed answer says that it lives: a quarter of the minute after which proxies hang up. */
export const HEARTBEAT = 15_000

/** Milliseconds in which `authenticate` must have its answer: longer than a look into a database takes, shorter than who asks waits. */
export const AUTH_TIMEOUT = 5000
