/** Which of several replicas a request goes to. */
export type Polling = 'ANY' | 'ALL' | 'ALL_ASYNC'
