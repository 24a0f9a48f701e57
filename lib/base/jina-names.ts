/** What to do instead of options that Jina has and nobody here: `usesBefore` and `usesAfter` of an executor, also where YAML says them. */
export const BEFORE = 'add an executor of its own before this one, and name it in needs'
export const AFTER = 'add an executor of its own behind this one'

/** Names of options that are known from Jina, and what they are here. Names in snake_case are looked up as they are in camelCase. */
export const JINA_NAMES: Readonly<Record<string, string>> = {
  asyncio: 'Leave it out: everything here is asynchronous',
  returnResults: 'Leave it out: post() gives responses as they come, and post(…).toArray() all of them',
  returnResponses: 'Leave it out: post() gives responses',
  targetPeapod: 'It is targetExecutor',
  inputs: 'Inputs are the second argument: post(on, inputs, options)',
  on: 'The endpoint is the first argument: post(on, inputs, options)',
  restful: "It is protocol: 'http'",
  restApi: "It is protocol: 'http'",
  https: 'It is tls',
  pods: 'Call add() for each executor',
  podName: 'It is name',
  usesBefore: `There is none: ${BEFORE}`,
  usesAfter: `There is none: ${AFTER}`,
  timeoutReady: 'It is readyTimeout, of executors that run in a container or elsewhere',
  timeoutSend: 'It is timeout',
  installRequirements: 'Leave it out: packages are installed with npm',
  dockerKwargs: 'It is dockerArgs',
  pullLatest: "It is pull: 'always', of executors that run in a container",
  grpcServerOptions: 'There is none: each setting of a server has an option of its own',
  uvicornKwargs: 'There is none: each setting of a server has an option of its own',
  stateful: 'There is none: replicas do not agree on a common state',
}
