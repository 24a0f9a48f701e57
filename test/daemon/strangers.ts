import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Strangers } from '../../lib/daemon/strangers.js'

class Coming extends EventEmitter {
  destroyed = false
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined

  constructor(remoteAddress?: string, remotePort?: number) {
    super()
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

const come = (strangers: Strangers, ...at: ConstructorParameters<typeof Coming>): Coming => {
  const socket = new Coming(...at)
  strangers.come(socket as unknown as Socket)
  return socket
}

test('daemon: who hangs up, and comes by the same port before that is heard, takes no place for good', () => {
  for (const at of [['10.0.0.1', 5000], []] as [string?, number?][]) {
    const strangers = new Strangers(4, 8)
    let before: Coming | undefined
    for (let times = 0; times < 20; times++) {
      const next = come(strangers, ...at)
      before?.emit('close')
      before = next
    }
    before!.emit('close')
    assert.is(come(strangers, '10.0.0.2', 6000).destroyed, false)
  }
})

test('daemon: of too many strangers the oldest goes, of the address that has the most', () => {
  const strangers = new Strangers(4, 8)
  const many = Array.from({ length: 5 }, (_, port) => come(strangers, '10.0.0.1', port))
  assert.equal(
    many.map(({ destroyed }) => destroyed),
    [true, false, false, false, false],
  )
  const few = Array.from({ length: 5 }, (_, at) => come(strangers, `10.0.1.${at}`, 1))
  assert.ok(few.every(({ destroyed }) => !destroyed))
  assert.is(many[1]!.destroyed, true)
})

test.run()
