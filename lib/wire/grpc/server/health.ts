import { status as Code, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js'
import { clearInterval, setInterval } from '../../../base/clock.js'
import { readFields, textOf, writeFields } from '../fields.js'
import { METHODS, SERVICES, serviceOf } from '../methods.js'
import { STATUS } from '../status.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { CallEnd, endOf } from './failures.js'

const SERVING = 1
const NOT_SERVING = 2
const SERVICE_UNKNOWN = 3

/** Whether the process turns, and whether it is to be sent anything: as probes ask for them that can only name a service. */
const [LIVENESS, READINESS] = ['liveness', 'readiness']
const KNOWN = new Set(['', ...SERVICES, serviceOf(METHODS.check), serviceOf(METHODS.reflection), serviceOf(METHODS.reflectionAlpha), LIVENESS, READINESS])

/** Milliseconds between looks for who watches. */
const LOOK = 1000

/** `grpc.health.v1.Health/Check` */
export function check(underWay: CallsUnderWay): (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => Promise<void> {
  return async (call, done) => {
    try {
      const service = serviceIn(call.request, underWay)
      if (KNOWN.has(service)) done(null, written(await statusOf(service, underWay)))
      else done(new CallEnd(Code.NOT_FOUND, `There is no service ${service} here`))
    } catch (error) {
      done(endOf(error, underWay.settings.onError))
    }
  }
}

/** `grpc.health.v1.Health/Watch`: how it is, and how it is when that changes, until the client leaves or the server drains. */
export function watch(underWay: CallsUnderWay): (call: ServerWritableStream<Buffer, Buffer>) => Promise<void> {
  return async (call) => {
    try {
      const service = serviceIn(call.request, underWay)
      let last: number | undefined
      let over = false
      const look = async (): Promise<void> => {
        const status = KNOWN.has(service) ? await statusOf(service, underWay) : SERVICE_UNKNOWN
        if (over || status === last) return
        last = status
        call.write(written(status))
      }
      const timer = setInterval(() => void look(), LOOK)
      timer.unref?.()
      const unwatch = underWay.drain.onUnready(() => void look())
      const end = (): void => {
        over = true
        clearInterval(timer)
        unwatch()
        undrain()
      }
      call.on('cancelled', end)
      const undrain = underWay.drain.onDrain(() => {
        over = true
        clearInterval(timer)
        call.emit('error', new CallEnd(STATUS.closing, 'This server is shutting down'))
      })
      await look()
    } catch (error) {
      call.emit('error', endOf(error, underWay.settings.onError))
    }
  }
}

function serviceIn(request: Buffer, underWay: CallsUnderWay): string {
  return underWay.understand(() => textOf(readFields(request), 1) ?? '')
}

async function statusOf(service: string, { drain, limiter }: CallsUnderWay): Promise<number> {
  if (service === LIVENESS) return SERVING
  return drain.ready && (await limiter?.health())?.ready !== false ? SERVING : NOT_SERVING
}

function written(status: number): Buffer {
  return writeFields([1, status])
}
