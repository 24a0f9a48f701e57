import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Scope } from '../../lib/stream/scope.js'

test('a scope tells its signal and all below it, once, with the first reason', () => {
  const scope = new Scope()
  const early = scope.signal
  const child = scope.child()
  const grandchild = child.child()
  let told = 0
  grandchild.signal.onabort = () => told++
  assert.equal([scope.aborted, scope.reason, early.aborted], [false, undefined, false])
  scope.abort('first')
  scope.abort('second')
  for (const each of [scope, child, grandchild])
    assert.equal([each.aborted, each.reason, each.signal.aborted, each.signal.reason], [true, 'first', true, 'first'])
  assert.is(scope.signal, early)
  assert.is(told, 1)
})

test('the reason stays as it is', () => {
  for (const reason of [null, 0, 'stop', new Error('stop')]) {
    const scope = new Scope()
    scope.abort(reason)
    assert.is(scope.reason, reason)
    assert.is(scope.signal.reason, reason)
  }
})

test('a child stops alone; its parent and siblings go on', () => {
  const scope = new Scope()
  const [a, b] = [scope.child(), scope.child()]
  a.abort('a')
  assert.equal([a.aborted, b.aborted, scope.aborted], [true, false, false])
  scope.abort('all')
  assert.equal([a.reason, b.reason], ['a', 'all'])
})

test('a child of a scope that stopped has stopped', () => {
  const scope = new Scope()
  scope.abort('over')
  assert.equal([scope.child().aborted, scope.child().signal.reason], [true, 'over'])
})

test('a closed child hears no more', () => {
  const scope = new Scope()
  const child = scope.child()
  const { signal } = child
  child.close()
  child.close()
  scope.abort('over')
  assert.equal([child.aborted, signal.aborted], [false, false])
})

test('listeners may abort again, close and make children', () => {
  const scope = new Scope()
  const [a, b] = [scope.child(), scope.child()]
  let born: Scope | undefined
  scope.signal.onabort = () => {
    born = scope.child()
    scope.abort('again')
    a.close()
  }
  b.signal.onabort = () => b.close()
  scope.abort('first')
  assert.equal([born?.reason, b.reason, a.aborted], ['first', 'first', false])
})

test.run()
