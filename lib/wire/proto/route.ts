import type { Stop } from '../message.js'
import type { Reader } from './reader.js'
import { readStatus, writeStatus } from './status.js'
import type { Writer } from './writer.js'

// RouteProto: executor = 1, start_time = 2, end_time = 3, status = 4. Timestamp: seconds = 1, nanos = 2.

export function readRoute(reader: Reader, end: number): Stop {
  const stop: { -readonly [field in keyof Stop]: Stop[field] } = { executor: '', startTime: 0 }
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) stop.executor = reader.text(end)
    else if (tag === 0x12) stop.startTime = readTime(reader, reader.stop(end))
    else if (tag === 0x1a) stop.endTime = readTime(reader, reader.stop(end))
    else if (tag === 0x22) stop.status = readStatus(reader, reader.stop(end))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return stop
}

/** The last millisecond that a Date can be, and the first. */
const MAX_TIME = 8.64e15

/** Milliseconds since the epoch. */
function readTime(reader: Reader, end: number): number {
  let seconds = 0
  let nanos = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x08) seconds = reader.int64()
    else if (tag === 0x10) nanos = reader.int64()
    else reader.skip(tag, end)
  }
  reader.done(end)
  const time = seconds * 1000 + nanos / 1e6
  // Beyond what a Date can be, it says nothing.
  return Math.abs(time) <= MAX_TIME ? time : 0
}

export function writeRoute(writer: Writer, tag: number, { executor, startTime, endTime, status }: Stop): void {
  writer.tag(tag)
  const at = writer.open(1)
  if (executor !== '') writer.text(0x0a, executor)
  writeTime(writer, 0x12, startTime)
  if (endTime !== undefined) writeTime(writer, 0x1a, endTime)
  if (status !== undefined) {
    writer.tag(0x22)
    const inner = writer.open(1)
    writeStatus(writer, status)
    writer.close(inner, 1)
  }
  writer.close(at, 1)
}

function writeTime(writer: Writer, tag: number, time: number): void {
  const seconds = Math.floor(time / 1000)
  // No more than microseconds: further digits are the rounding of a double.
  const nanos = Math.round((time - seconds * 1000) * 1000) * 1000
  writer.tag(tag)
  const at = writer.open(1)
  if (Number.isFinite(seconds) && seconds !== 0) writer.int64(0x08, nanos === 1e9 ? seconds + 1 : seconds)
  if (nanos > 0 && nanos < 1e9) writer.int64(0x10, nanos)
  writer.close(at, 1)
}
