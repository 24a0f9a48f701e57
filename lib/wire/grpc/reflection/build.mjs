// Makes descriptors of the .proto files here, for server reflection, and writes them to files.ts.
//   node lib/wire/grpc/reflection/build.mjs [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import protobuf from 'protobufjs'

const here = new URL('.', import.meta.url)
const SETS = {
  COMMON: [
    'google/protobuf/empty.proto',
    'google/protobuf/timestamp.proto',
    'google/protobuf/struct.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
    'grpc/reflection/v1alpha/reflection.proto',
  ],
  V1: ['docarray.proto', 'jina.proto'],
  V2: ['docarray.proto', 'jina.proto'],
}
const SCALARS = { double: 1, float: 2, int64: 3, uint64: 4, int32: 5, bool: 8, string: 9, bytes: 12, uint32: 13 }
const [MESSAGE, ENUM] = [11, 14]

// ── the wire format ──────────────────────────────────────────────────────────────────────────────────────

function varint(value) {
  const bytes = []
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  bytes.push(value)
  return Buffer.from(bytes)
}

/** Fields as [number, value]; what is undefined or false is left out. */
function message(...fields) {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      if (value === undefined || value === false) return []
      if (typeof value === 'number' || value === true) return [varint(number * 8), varint(Number(value))]
      const bytes = Buffer.from(value)
      return [varint(number * 8 + 2), varint(bytes.length), bytes]
    }),
  )
}

const each = (number, values) => values.map((value) => [number, value])

// ── descriptors ──────────────────────────────────────────────────────────────────────────────────────────

function fieldOf({ name, id, repeated, type, resolvedType, partOf, options }, oneofs) {
  const kind = resolvedType === null ? SCALARS[type] : resolvedType instanceof protobuf.Enum ? ENUM : MESSAGE
  if (kind === undefined) throw new Error(`${name} is of the unknown type ${type}`)
  return message(
    [1, name],
    [3, id],
    [4, repeated ? 3 : 1],
    [5, kind],
    [6, resolvedType?.fullName],
    [9, partOf ? oneofs.indexOf(partOf.name) : undefined],
    [17, options?.proto3_optional === true],
  )
}

/** A map is a repeated message of key and value. */
function mapOf(field, owner) {
  const entry = `${field.name.replace(/(?:^|_)(.)/g, (_, letter) => letter.toUpperCase())}Entry`
  const value = { name: 'value', id: 2, type: field.type, resolvedType: field.resolvedType }
  return {
    field: message([1, field.name], [3, field.id], [4, 3], [5, MESSAGE], [6, `${owner.fullName}.${entry}`]),
    nested: message([1, entry], ...each(2, [fieldOf({ name: 'key', id: 1, type: field.keyType, resolvedType: null }, []), fieldOf(value, [])]), [
      7,
      message([7, true]),
    ]),
  }
}

function typeOf(type) {
  // Those that stand for `optional` come behind the others.
  const real = type.oneofsArray.filter((oneof) => !oneof.isProto3Optional)
  const oneofs = [...real, ...type.oneofsArray.filter((oneof) => !real.includes(oneof))].map(({ name }) => name)
  const maps = type.fieldsArray.filter(({ map }) => map).map((field) => mapOf(field, type))
  let at = 0
  return message(
    [1, type.name],
    ...each(
      2,
      type.fieldsArray.map((field) => (field.map ? maps[at++].field : fieldOf(field, oneofs))),
    ),
    ...each(3, [...type.nestedArray.filter((nested) => nested instanceof protobuf.Type).map(typeOf), ...maps.map(({ nested }) => nested)]),
    ...each(4, type.nestedArray.filter((nested) => nested instanceof protobuf.Enum).map(enumOf)),
    ...each(
      8,
      oneofs.map((name) => message([1, name])),
    ),
  )
}

function enumOf({ name, values }) {
  return message(
    [1, name],
    ...each(
      2,
      Object.entries(values).map(([value, number]) => message([1, value], [2, number])),
    ),
  )
}

function serviceOf({ name, methodsArray }) {
  const methods = methodsArray.map(({ name, resolvedRequestType, resolvedResponseType, requestStream, responseStream }) =>
    message([1, name], [2, resolvedRequestType.fullName], [3, resolvedResponseType.fullName], [5, requestStream === true], [6, responseStream === true]),
  )
  return message([1, name], ...each(2, methods))
}

function* symbolsOf(parent) {
  for (const thing of parent.nestedArray ?? []) {
    yield thing.fullName.slice(1)
    if (thing instanceof protobuf.Service) for (const { name } of thing.methodsArray) yield `${thing.fullName.slice(1)}.${name}`
    if (thing instanceof protobuf.Type) yield* symbolsOf(thing)
  }
}

function describe(set) {
  const root = new protobuf.Root()
  const folder = set === 'COMMON' ? '' : `${set.toLowerCase()}/`
  const parse = (path) => protobuf.parse(readFileSync(new URL(`proto/${path}`, here), 'utf8'), root, { keepCase: true })
  if (set !== 'COMMON') for (const name of SETS.COMMON) parse(name)
  const parsed = SETS[set].map((name) => ({ name, ...parse(folder + name) }))
  root.resolveAll()
  return parsed.map(({ name, package: space, imports = [] }) => {
    const things = root.lookup(space)
    const all = (type) => things.nestedArray.filter((thing) => thing instanceof type)
    const bytes = message(
      [1, name],
      [2, space],
      ...each(3, imports),
      ...each(
        4,
        all(protobuf.Type)
          .map(typeOf)
          .filter((_, index) => belongs(all(protobuf.Type)[index], name, folder)),
      ),
      ...each(
        5,
        all(protobuf.Enum)
          .filter((thing) => belongs(thing, name, folder))
          .map(enumOf),
      ),
      ...each(6, all(protobuf.Service).map(serviceOf)),
      [12, 'proto3'],
    )
    const symbols = [...symbolsOf(things)].filter((symbol) =>
      belongs(
        root.lookup(
          symbol
            .split('.')
            .slice(0, space.split('.').length + 1)
            .join('.'),
        ),
        name,
        folder,
      ),
    )
    return { name, imports, symbols, bytes: bytes.toString('base64') }
  })
}

/** Several files may share a package. */
function belongs({ name }, file, folder) {
  return new RegExp(`^(message|enum|service) ${name} `, 'm').test(readFileSync(new URL(`proto/${folder}${file}`, here), 'utf8'))
}

const text = `// Made by build.mjs from the .proto files in proto/. Do not edit.

export interface DescribedFile {
  readonly name: string
  readonly imports: readonly string[]
  readonly symbols: readonly string[]
  /** A FileDescriptorProto, in base 64. */
  readonly bytes: string
}

${Object.keys(SETS)
  .map((set) => `export const ${set}: readonly DescribedFile[] = ${JSON.stringify(describe(set), null, 2)}\n`)
  .join('\n')}`
const target = new URL('files.ts', here)
const squeeze = (source) => source.replace(/['"\s,]/g, '')
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (squeeze(readFileSync(target, 'utf8')) !== squeeze(text)) {
  console.error('files.ts is not what the .proto files say. Run node lib/wire/grpc/reflection/build.mjs')
  process.exitCode = 1
}
