// What goes to a worker with a request.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Document } from '../../../lib/doc/document.js'
import { Header, Request } from '../../../lib/request/request.js'
import { Scope } from '../../../lib/stream/scope.js'
import { type ReceivedCall, readCall, writeCall } from '../../../lib/wire/port/calls.js'
import { FRAME, frameReader, Outbox } from '../../../lib/wire/port/frames.js'

/** A request as it is on the other side. */
function sent(change: (request: Request) => void): ReceivedCall {
  const request = new Request(new Header('/', {}), DocumentArray.from(['a', 'b'].map((text) => new Document({ text }))), new Scope())
  change(request)
  let came!: ReceivedCall
  const read = frameReader((frame) => {
    came = readCall(frame, 'v1')
  })
  const out = new Outbox(read)
  out.write(FRAME.call, 1, (writer) => writeCall(writer, request, ['doing'], 'v1'), undefined)
  out.flush()
  return came
}

test('at a join, what came by the branches are the documents of the request where they are among them, and others else', () => {
  const { docs, branches } = sent((request) => {
    const [a, b] = request.docs as unknown as [Document, Document]
    const other = new Document({ text: 'other' })
    request.branches = [
      { executor: 'one', docs: DocumentArray.from([a, other]) },
      { executor: 'two', docs: DocumentArray.from([other, b]) },
    ]
  })
  assert.equal(docs.texts, ['a', 'b'])
  const [one, two] = branches!
  assert.equal([one!.executor, one!.docs.texts, two!.executor, two!.docs.texts], ['one', ['a', 'other'], 'two', ['other', 'b']])
  assert.is(one!.docs[0], docs[0])
  assert.is(two!.docs[1], docs[1])
  assert.is(one!.docs[1], two!.docs[0])
})

test('the time that a request has goes with it, where it has an end', () => {
  assert.is(sent(({ scope }) => void (scope.deadline = { left: 500 })).left, 500)
  assert.is(sent(({ scope }) => void (scope.deadline = { left: Number.POSITIVE_INFINITY })).left, undefined)
})

test.run()
