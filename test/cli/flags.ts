// One table of options, and its doors: who adds an option says here why one of them does not know it.
import type { Command } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pingCommand } from '../../lib/cli/ping.js'
import { clientCommand, runCommand } from '../../lib/cli/run.js'
import { executorCommand, flowCommand } from '../../lib/cli/serve.js'
import { FLOW_KEYS, GATEWAY_KEYS } from '../../lib/config/flow-keys.js'
import { SERVING_KEYS } from '../../lib/config/serving-keys.js'
import { FLOW_RULES } from '../../lib/flow/options.js'
import { GATEWAY_RULES } from '../../lib/gateway/options.js'
import { POST_RULES } from '../../lib/post/options.js'
import { REMOTE_RULES, SERVING_RULES } from '../../lib/wire/option-rules.js'

/** What has no flag of its name, and why. */
const NO_FLAG: Record<string, string> = {
  tls: '--tls-key, --tls-cert and --tls-ca name its files',
  sslKeyfile: '--tls-key',
  sslCertfile: '--tls-cert',
  token: 'whoever lists processes would see it: --token-file, or SLUICE_TOKEN',
  headers: '--header, once for each',
  metadata: 'the other name of headers',
  authenticate: 'a function',
  authTimeout: 'of authenticate, which is a function',
  onError: 'a function',
  logger: 'a function',
  exposeEndpoints: 'an object of objects: a file says it better',
  forwardIdentity: 'of a Flow for whose request an executor elsewhere works: nobody asks through the command line',
}

const flagsOf = (command: Command): string[] => command.options.filter(({ hidden }) => !hidden).map((option) => option.attributeName())

test('183: whoever serves knows each option of serving: a Flow, a gateway, YAML and the command line', () => {
  for (const name of Object.keys(SERVING_RULES)) {
    assert.ok(name in FLOW_RULES && name in GATEWAY_RULES, `${name} in code`)
    assert.ok(name in FLOW_KEYS || name === 'timeout', `${name} in with of YAML, where timeout is that of executors`)
    assert.ok(name in GATEWAY_KEYS, `${name} in gateway of YAML`)
    // GraphQL serves a Flow, and no executor of one.
    for (const command of [flowCommand(), executorCommand()])
      assert.ok(
        flagsOf(command).includes(name) !== (name in NO_FLAG || (name === 'graphql' && command.name() === 'executor')),
        `${name} of sluice ${command.name()}`,
      )
  }
  for (const name of Object.keys(GATEWAY_RULES)) assert.ok(name in SERVING_RULES, `${name} in the table`)
  for (const name of Object.keys(SERVING_KEYS)) assert.ok(name in SERVING_RULES || SERVING_KEYS[name]!.as !== undefined, `${name} of YAML in the table`)
})

test('183: the command line of a Client knows each option of somebody elsewhere, under the name that it has in code', () => {
  // A ping sends nothing again.
  for (const command of [clientCommand(), pingCommand()])
    for (const name of Object.keys(REMOTE_RULES))
      assert.ok(
        // How a server of NATS is reached has a flag for each of its parts.
        name === 'nats' || flagsOf(command).includes(name) !== (name in NO_FLAG || (name === 'retryBudget' && command.name() === 'ping')),
        `${name} of sluice ${command.name()}`,
      )
})

test('the help of a flag that is on or off says what it is by default in these words', () => {
  const { description } = clientCommand().options.find((option) => option.attributeName() === 'breaker')!
  assert.match(description, /\(default: on\)$/)
})

/** What a post can be told, and its command line not under its name, and why. */
const NO_FLAG_OF_POST: Record<string, string> = {
  resultsInOrder: '--in-order',
  showProgress: '--no-progress',
  maxDocuments: 'the old name of prefetchDocuments',
  flushAfter: 'a file is ready, and a pipe that waits gets its answers by default',
  onDone: 'a function',
  onError: 'a function',
  onAlways: 'a function',
  onFailure: 'a function; --failures writes them',
  signal: 'signals of the process stop it',
}

test('what bounds a post and says what becomes of it has a flag of its name', () => {
  for (const command of [runCommand(), clientCommand()])
    for (const name of Object.keys(POST_RULES)) assert.ok(flagsOf(command).includes(name) !== name in NO_FLAG_OF_POST, `${name} of sluice ${command.name()}`)
})

test('183: flags that begin with no are not taken for the opposite of something, and take nothing', () => {
  const command = flowCommand()
    .exitOverride()
    .action(() => {})
  command.parse(['flow.yml', '--no-crud-endpoints', '--compression', 'off', '--max-in-flight', '3'], { from: 'user' })
  const { noCrudEndpoints, noDebugEndpoints, compression, maxInFlight } = command.opts()
  assert.equal(
    { noCrudEndpoints, noDebugEndpoints, compression, maxInFlight },
    { noCrudEndpoints: true, noDebugEndpoints: undefined, compression: false, maxInFlight: 3 },
  )
  for (const [name, value] of [
    ['--compression', 'yes'],
    ['--max-in-flight', 'many'],
  ] as const)
    assert.throws(
      () =>
        flowCommand()
          .exitOverride()
          .configureOutput({ writeErr() {} })
          .action(() => {})
          .parse(['flow.yml', name, value], { from: 'user' }),
      /It is/,
    )
})

test('the help has limits and times under titles of their own, with units and defaults', () => {
  for (const command of [flowCommand(), executorCommand()]) {
    const help = command.helpInformation()
    const [, limits = '', times = ''] = /\nLimits:\n(.*?)\n\nTimes, in milliseconds:\n(.*?)\n\n/s.exec(`${help}\n\n`) ?? []
    const named = (text: string): string[] => [...text.matchAll(/^ {2}--([\w-]+)/gm)].map(([, name]) => name!)
    assert.ok(
      ['prefetch', 'max-in-flight', 'max-message-bytes', 'max-documents', 'max-json-bytes'].every((name) => named(limits).includes(name)),
      help,
    )
    assert.ok(
      ['timeout', 'headers-timeout', 'body-timeout', 'drain-delay', 'close-timeout'].every((name) => named(times).includes(name)),
      help,
    )
    for (const section of [limits, times]) for (const option of section.split(/\n(?= {2}--)/)) assert.match(option.replace(/\s+/g, ' '), /\(default: /)
  }
  const executor = executorCommand().helpInformation()
  for (const name of ['--concurrency <n>', '--stuck-after <ms>']) assert.ok(executor.includes(name), name)
})

test.run()
