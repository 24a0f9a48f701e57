// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// Who is let in by a server of NATS: TLS, a token, a user, an nkey, credentials; and what is said of options that are none.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createAccount, createOperator, createUser } from '@nats-io/nkeys'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/index.js'
import { Gateway } from '../../../lib/gateway/index.js'
import { checkGatewayOptions } from '../../../lib/gateway/options.js'
import { Flow } from '../../../lib/index.js'
import { natsRule } from '../../../lib/wire/nats/rules.js'
import { subjectsOf } from '../../../lib/wire/nats/subjects.js'
import { asProgram, codeUrl } from '../../support/code.js'
import { Command } from '../../support/command.js'
import { Folder } from '../../support/folder.js'
import { natsServer, withNats } from '../../support/nats.js'
import { certificates } from '../../support/tls.js'

const all = suite('nats: the door')
const test = withNats(all)
const folder = new Folder()
const decoder = new TextDecoder()

/** Both ends by this way in, and who comes without it. */
async function opens(config: string, shown: object): Promise<void> {
  await using server = await natsServer({ config })
  const address = `nats://127.0.0.1:${server.port}/test/actor`
  await using flow = await new Flow().add({ name: 'actor' }).open()
  const gateway = await Gateway.serve(flow, { nats: { address, ...shown } })
  await using client = new Client(address, { nats: shown })
  assert.is((await client.post('/', ['x']).docs()).length, 1)
  await using stranger = new Client(address)
  const error = await stranger
    .post('/', ['x'])
    .drain()
    .then(
      () => assert.unreachable(),
      (error) => error,
    )
  assert.is(error.code, 'ERR_REFUSED')
  assert.match(error.message, /the server of NATS does not let in/)
  await gateway.close(0)
}

test('F14: a token, or its file', async () => {
  await opens('authorization { token: "s3cret" }', { token: 's3cret' })
  await opens('authorization { token: "s3cret" }', { tokenFile: folder.file('token', 's3cret\n') })
})

test('F14, T1: on the command line, NATS_TOKEN is the token, as exported files give it, for an executor and for who asks; others do not hear of it', async () => {
  await using server = await natsServer({ config: 'authorization { token: "s3cret" }' })
  const nats = `nats://127.0.0.1:${server.port}`
  process.env['NATS_TOKEN'] = 's3cret'
  try {
    const module = folder.file('shout.mjs', 'export const shout = ({ docs }) => docs.forEach((doc) => (doc.text += "!"))')
    await using serving = new Command(['executor', `${module}#shout`, '--nats', nats, '--name', 'shop/doing'])
    await serving.has('stderr', 'is served')
    await using asking = new Command(['client', `${nats}/shop/doing`, '--no-progress'])
    asking.child.stdin.end('{"text":"x"}\n')
    assert.equal([await asking.end, asking.texts], [{ code: 0, signal: null }, 'x!'], asking.stderr)
    await using elsewhere = new Command(['ping', 'grpc://127.0.0.1:1', '--nats-prefix', 'team'])
    assert.is((await elsewhere.end).code, 2)
    await using nowhere = new Command(['ping', 'grpc://127.0.0.1:1'])
    assert.is((await nowhere.end).code, 1)
    assert.not.match(serving.stderr + asking.stderr + elsewhere.stderr + nowhere.stderr, /s3cret/)
  } finally {
    delete process.env['NATS_TOKEN']
  }
})

test('F14: a user and a password', () => opens('authorization { user: anna, password: secret }', { user: 'anna', password: 'secret' }))

test('F14: an nkey', async () => {
  const user = createUser()
  await opens(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`, { nkeyFile: folder.file('nkey', `${decoder.decode(user.getSeed())}\n`) })
})

test('F14: a file of credentials', async () => {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()]
  const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = (by: typeof operator, of: typeof operator, name: string, nats: object): string => {
    const said = `${text({ typ: 'JWT', alg: 'ed25519-nkey' })}.${text({ jti: name, iat: 1, iss: by.getPublicKey(), name, sub: of.getPublicKey(), nats: { version: 2, ...nats } })}`
    return `${said}.${Buffer.from(by.sign(new TextEncoder().encode(said))).toString('base64url')}`
  }
  const none = { subs: -1, data: -1, payload: -1 }
  const limits = { ...none, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const config = `operator: "${jwt(operator, operator, 'O', { type: 'operator' })}"
    resolver: MEMORY
    resolver_preload: { ${account.getPublicKey()}: "${jwt(operator, account, 'A', { type: 'account', limits })}" }`
  const creds = `-----BEGIN NATS USER JWT-----\n${jwt(account, user, 'U', { type: 'user', ...none })}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${decoder.decode(user.getSeed())}\n------END USER NKEY SEED------\n`
  await opens(config, { credentialsFile: folder.file('user.creds', creds) })
})

test('F14: TLS, with a certificate of who connects', async () => {
  const { ca, key, cert, client: shown } = await certificates()
  const [caFile, keyFile, certFile] = [folder.file('ca', ca), folder.file('key', key), folder.file('cert', cert)]
  await using server = await natsServer({ config: `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${caFile}", verify: true }` })
  const address = `natss://localhost:${server.port}/test/actor`
  const [ownKey, ownCert] = [folder.file('own.key', shown.key), folder.file('own.cert', shown.cert)]
  await using flow = await new Flow({ nats: { address, tls: { caFile, keyFile: ownKey, certFile: ownCert } } }).add({ name: 'actor' }).open()
  assert.is(flow.addresses['nats'], address)
  await using client = new Client(address, { tls: { ca: readFileSync(caFile), ...shown } })
  assert.is((await client.post('/', ['x']).docs()).length, 1)
})

test('F14: who may not hear what it is to answer is told so when it begins', async () => {
  await using server = await natsServer({
    config: 'authorization { users: [ { user: anna, password: secret, permissions: { subscribe: ["_INBOX.>"], publish: [">"] } } ] }',
  })
  const flow = new Flow({ nats: { address: `nats://127.0.0.1:${server.port}/actor`, user: 'anna', password: 'secret' }, onError: () => {} }).add({
    name: 'actor',
  })
  const error = await flow.open().then(
    () => assert.unreachable(),
    (error) => error,
  )
  assert.is(error.code, 'ERR_REFUSED')
  assert.match(error.message, /does not let it hear/)
})

test('F14: a file that is not there is named', async () => {
  await using client = new Client('nats://127.0.0.1:1/actor', { nats: { credentialsFile: '/nowhere/user.creds' } })
  const error = await client.open().then(
    () => assert.unreachable(),
    (error) => error,
  )
  assert.is(error.code, 'ERR_CONFIG')
  assert.match(error.message, /\/nowhere\/user\.creds/)
})

all('F14: without the package, opening says how to get it', () => {
  const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const hook = asModule(
    'export async function resolve(name, context, next) { if (name.startsWith("@nats-io")) throw new Error("not here"); return next(name, context) }',
  )
  const program = `import { register } from 'node:module'
    register(${JSON.stringify(hook)})
    const { Flow } = await import(${JSON.stringify(codeUrl('lib/index'))})
    for (const flow of [new Flow({ nats: 'nats://127.0.0.1:1/actor' }).add({ name: 'a' }), new Flow().add({ name: 'a', external: true, host: 'nats://127.0.0.1:1/actor' })])
      await flow.open().catch((error) => console.log(error.code, error.dependency, error.message))`
  const stdout = execFileSync(process.execPath, asProgram(program), { encoding: 'utf8' })
  assert.is(stdout.match(/the package @nats-io\/transport-node is needed: npm install @nats-io\/transport-node/g)?.length, 2, stdout)
})

all('F14: without the package of queues, opening what is durable says how to get it, and so does the command line before it reads anything', () => {
  const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const hook = asModule(
    'export async function resolve(name, context, next) { if (name === "@nats-io/jetstream") throw new Error("not here"); return next(name, context) }',
  )
  const program = `import { register } from 'node:module'
    register(${JSON.stringify(hook)})
    const { Flow } = await import(${JSON.stringify(codeUrl('lib/index'))})
    const { clientOf } = await import(${JSON.stringify(codeUrl('lib/cli/reach'))})
    const host = 'nats://127.0.0.1:1/actor'
    const told = (work) => work.catch((error) => console.log(error.code, error.dependency, error.message))
    await told(new Flow().add({ name: 'a', external: true, host, nats: { durable: true } }).open())
    await told(clientOf(host, { durable: true }, {}))`
  const stdout = execFileSync(process.execPath, asProgram(program), { encoding: 'utf8' })
  assert.is(stdout.match(/the package @nats-io\/jetstream is needed: npm install @nats-io\/jetstream/g)?.length, 2, stdout)
})

all('F14: options that are none are refused by name, and no secret is shown', () => {
  const refused = (value: any): string => {
    try {
      natsRule('nats', value)
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.is(refused({ prefix: 'a.b-c' }), 'taken')
  assert.match(refused({ prefix: 'a.*' }), /nats\.prefix/)
  assert.is(refused({ inboxPrefix: '_INBOX.anna' }), 'taken')
  assert.match(refused({ inboxPrefix: '_INBOX.>' }), /nats\.inboxPrefix .*_INBOX\.anna/)
  assert.match(refused({ servers: 'a' }), /nats\.servers/)
  assert.match(refused({ token: '' }), /nats\.token .*Is the variable set/)
  assert.match(refused({ token: 's3cret', nkeyFile: 'x' }), /^nats\.token and nats\.nkeyFile/)
  assert.match(refused({ user: 'anna' }), /go together/)
  assert.match(refused({ credentialFile: 'x' }), /credentialsFile/)
  for (const nats of ['nats://host', 'nats://host/a/b/c', 'grpc://host:1', { prefix: 'a' } as any])
    assert.throws(() => checkGatewayOptions({ nats }), /nats|host/)
})

all('F14: YAML says the same, secrets from the environment alone, and is written down as it is read', async () => {
  const yaml = (nats: string): string => `jtype: Flow
with: { nats: { address: nats://far/all, prefix: team } }
executors:
  - { name: encode, external: true, host: nats://far/search/encode, nats: ${nats} }
`
  const flow = await Flow.loadConfig(yaml('{ prefix: team, credentials_file: ./user.creds }'))
  const written = await flow.saveConfig()
  const { options, steps } = (await Flow.loadConfig(written)).plan
  assert.equal(options.nats, { address: 'nats://far/all', prefix: 'team' })
  assert.equal(steps[0]!.options.nats, { prefix: 'team', credentialsFile: `${process.cwd()}/user.creds` })
  for (const [nats, said] of [
    ['{ token: s3cret }', /does not belong into this file/],
    ['{ prefx: a }', /Did you mean prefix/],
    ['{ prefix: a.* }', /nats/],
  ] as const) {
    const error = await Flow.loadConfig(yaml(nats)).then(
      () => assert.unreachable(nats),
      (error) => error,
    )
    assert.is(error.code, 'ERR_CONFIG', nats)
    assert.match(error.message, said)
  }
  process.env['NATS_TOKEN'] = 's3cret'
  const told = await Flow.loadConfig(yaml('{ token: "${{ ENV.NATS_TOKEN }}" }'))
  assert.equal(told.plan.steps[0]!.options.nats, { token: 's3cret' })
  assert.match(await told.saveConfig(), /token: \$\{\{ ENV\.NATS_TOKEN \}\}/)
})

all('F14: names are words of subjects, whatever they are', () => {
  assert.is(subjectsOf('/encode').call, 'sluice.default.encode.call')
  assert.is(subjectsOf('/flow/encode', 'team.one').call, 'team.one.flow.encode.call')
  assert.is(subjectsOf('/v1.2/a*').call, 'sluice.v1%2E2.a%2A.call')
  assert.throws(() => subjectsOf('/'), /names an executor/)
  // Streams are named by one word each, which no two executors have in common.
  const all = ['/s/encode_v2', '/s_encode/v2', '/s/encode-v2', '/s/encode.v2', '/s/encode~v2', '/s/encode-7ev2', '/s/encode=7ev2', '/s/encode%v2']
  const words = [...all.map((path) => subjectsOf(path).word), subjectsOf('/s/encode', 'team_one').word, subjectsOf('/s/encode', 'team.one').word]
  assert.is(new Set(words).size, words.length, words.join(' '))
  for (const word of words) assert.match(word, /^[\w=-]+$/)
  assert.is(subjectsOf('/search/encode').word, 'sluice_search_encode')
})

all.run()
