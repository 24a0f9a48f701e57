/** What only a Flow that runs an executor can do for it. */
export const ONLY_HERE = ['uses', 'usesWith', 'usesMetas', 'usesRequests', 'parallel', 'replicas', 'shards', 'workspace', 'env'] as const

/** What only an executor elsewhere can be told: where it is, and how it is spoken to. */
export const ONLY_ELSEWHERE = [
  'host',
  'port',
  'protocol',
  'tls',
  'headers',
  'metadata',
  'compression',
  'maxMessageBytes',
  'docarray',
  'token',
  'tokenFile',
  'forwardIdentity',
] as const
