/** The start and the end of every Flow. */
export const GATEWAY = 'gateway'
