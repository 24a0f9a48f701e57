import type { Status } from '../../request/status.js'
import type { Reader } from './reader.js'
import type { Writer } from './writer.js'

// StatusProto: code = 1, description = 2, exception = 3 { name = 1, args = 2, stacks = 3, executor = 4 }.

export function readStatus(reader: Reader, end: number): Status {
  const status: Status = { code: 'SUCCESS', description: '' }
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x08) status.code = reader.uint32() === 0 ? 'SUCCESS' : 'ERROR'
    else if (tag === 0x12) status.description = reader.text(end)
    else if (tag === 0x1a) status.exception = readException(reader, reader.stop(end))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return status
}

function readException(reader: Reader, end: number): NonNullable<Status['exception']> {
  const exception = { name: '', args: [] as string[], stacks: [] as string[], executor: '' }
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) exception.name = reader.text(end)
    else if (tag === 0x12) exception.args.push(reader.text(end))
    else if (tag === 0x1a) exception.stacks.push(reader.text(end))
    else if (tag === 0x22) exception.executor = reader.text(end)
    else reader.skip(tag, end)
  }
  reader.done(end)
  return exception
}

export function writeStatus(writer: Writer, { code, description, exception }: Status): void {
  if (code !== 'SUCCESS') writer.uint32(0x08, 1)
  if (description !== '') writer.text(0x12, description)
  if (exception === undefined) return
  const { name, args, stacks, executor } = exception
  writer.tag(0x1a)
  const at = writer.open(2)
  if (name !== '') writer.text(0x0a, name)
  for (const arg of args) writer.text(0x12, arg)
  for (const stack of stacks) writer.text(0x1a, stack)
  if (executor !== '') writer.text(0x22, executor)
  writer.close(at, 2)
}
