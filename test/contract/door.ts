// Who comes in: by a token, by what `authenticate` says, or not at all; what is asked beside a stranger is answered.
import type { GatewayOptions } from '../../lib/gateway/index.js'
import type { Call } from '../../lib/index.js'
import { cannot } from './cannot.js'
import type { Row } from './contract.js'
import { connection } from './table.js'
import { type Ends, isHere, type Opened, outcome, type Step, type Way } from './way.js'

const TOKEN = 'a-token-for-the-contract-0'
const OTHER = 'a-token-for-the-contract-1'
const NO_DOOR = cannot('there is no door within a process')

/** Says who asked. */
const host: Step = { name: 'actor', uses: ({ docs, identity }: Call) => void (docs[0]!.text = JSON.stringify(identity) ?? 'nobody') }

async function ask(it: Opened): Promise<string> {
  try {
    for await (const { docs, error } of it.post('/', ['x'])) return error === undefined ? docs.texts.join() : outcome(error)
    return 'nothing'
  } catch (error) {
    return outcome(error)
  }
}

/** How one comes in who shows this. */
const row = (name: string, gateway: GatewayOptions, client: NonNullable<Ends['client']>, expect: (way: Way) => string): Row => ({
  name: `the door: ${name}`,
  expect: (way) => (isHere(way) ? NO_DOOR : expect(way)),
  async see(way) {
    await using it = await way.open([host], { gateway, client })
    const first = await ask(it)
    const second = await ask(it)
    return first === second ? first : `${first}, then ${second}`
  },
})

const refused = (way: Way): string => connection(way, 'ERR_REFUSED')

export const DOOR: readonly Row[] = [
  row('nobody is asked', {}, {}, () => 'nobody'),
  row('the right token', { token: TOKEN }, { token: TOKEN }, () => '{"token":0}'),
  row('another token', { token: TOKEN }, { token: OTHER }, refused),
  row('no token', { token: TOKEN }, {}, refused),
  row('authenticate knows them', { authenticate: () => ({ user: 'anna' }) }, {}, () => '{"user":"anna"}'),
  row('authenticate does not know them', { authenticate: () => undefined }, {}, refused),
  row(
    'authenticate throws',
    {
      authenticate: () => {
        throw new Error('a secret')
      },
    },
    {},
    refused,
  ),
  row('authenticate is too slow', { authenticate: () => new Promise(() => {}), authTimeout: 200 }, {}, refused),
]
