import { status as Code, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js'
import { readFields, textOf, writeFields } from '../fields.js'
import { METHODS, SERVICES, serviceOf } from '../methods.js'
import { STATUS } from '../status.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { CallEnd, endOf } from './failures.js'

const SERVING = 1
const NOT_SERVING = 2
const SERVICE_UNKNOWN = 3

const KNOWN = new Set(['', ...SERVICES, serviceOf(METHODS.check), serviceOf(METHODS.reflection), serviceOf(METHODS.reflectionAlpha)])

/** `grpc.health.v1.Health/Check` */
export function check(underWay: CallsUnderWay): (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => void {
  return (call, done) => {
    try {
      const service = serviceIn(call.request, underWay)
      if (KNOWN.has(service)) done(null, statusOf(underWay))
      else done(new CallEnd(Code.NOT_FOUND, `There is no service ${service} here`))
    } catch (error) {
      done(endOf(error, underWay.settings.onError))
    }
  }
}

/** `grpc.health.v1.Health/Watch`: how it is, and how it is when that changes, until the client leaves or the server drains. */
export function watch(underWay: CallsUnderWay): (call: ServerWritableStream<Buffer, Buffer>) => void {
  return (call) => {
    try {
      const known = KNOWN.has(serviceIn(call.request, underWay))
      const { ready } = underWay.drain
      call.write(known ? statusOf(underWay) : writeFields([1, SERVICE_UNKNOWN]))
      const unwatch = known && ready ? underWay.drain.onUnready(() => call.write(statusOf(underWay))) : undefined
      const undrain = underWay.drain.onDrain(() => call.emit('error', new CallEnd(STATUS.closing, 'This server is shutting down')))
      call.on('cancelled', () => {
        unwatch?.()
        undrain()
      })
    } catch (error) {
      call.emit('error', endOf(error, underWay.settings.onError))
    }
  }
}

function serviceIn(request: Buffer, underWay: CallsUnderWay): string {
  return underWay.understand(() => textOf(readFields(request), 1) ?? '')
}

function statusOf({ drain }: CallsUnderWay): Buffer {
  return writeFields([1, drain.ready ? SERVING : NOT_SERVING])
}
