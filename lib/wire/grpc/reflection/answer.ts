import { status as Code } from '@grpc/grpc-js'
import type { Docarray } from '../../docarray.js'
import { readFields, textOf, writeFields } from '../fields.js'
import { METHODS, SERVICES, serviceOf } from '../methods.js'
import { COMMON, type DescribedFile, V1, V2 } from './files.js'

/** What ServerReflection answers; the same in its versions v1 and v1alpha. */
export class Reflection {
  readonly #byName: ReadonlyMap<string, DescribedFile>
  readonly #bySymbol: ReadonlyMap<string, DescribedFile>
  readonly #services = [...SERVICES, ...[METHODS.check, METHODS.reflection, METHODS.reflectionAlpha].map(serviceOf)].sort()

  constructor(model: Docarray) {
    const files = [...COMMON, ...(model === 'v1' ? V1 : V2)]
    this.#byName = new Map(files.map((file) => [file.name, file]))
    this.#bySymbol = new Map(files.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)))
  }

  /** @throws Error for bytes that are no message */
  answer(request: Uint8Array): Buffer {
    const fields = readFields(request)
    const [asked] = fields.findLast(([number]) => number >= 3 && number <= 7) ?? []
    return writeFields([1, textOf(fields, 1) ?? ''], [2, request], this.#tell(asked, asked === undefined || asked === 5 ? '' : (textOf(fields, asked) ?? '')))
  }

  #tell(asked: number | undefined, about: string): [number: number, value: Uint8Array] {
    if (asked === 3) return this.#file(this.#byName.get(about), `There is no file ${about} here`)
    if (asked === 4) return this.#file(this.#fileOf(about), `There is no symbol ${about} here`)
    if (asked === 5) return failure(Code.NOT_FOUND, 'There are no extensions here')
    if (asked === 6) {
      if (this.#fileOf(about) === undefined) return failure(Code.NOT_FOUND, `There is no type ${about} here`)
      return [5, writeFields([1, about])]
    }
    if (asked === 7) return [6, writeFields(...this.#services.map((name) => [1, writeFields([1, name])] as const))]
    return failure(Code.INVALID_ARGUMENT, 'The request asks for nothing that is known here')
  }

  /** Fields and values of enums are found where what they are in is. */
  #fileOf(symbol: string): DescribedFile | undefined {
    const name = symbol.replace(/^\./, '')
    return this.#bySymbol.get(name) ?? this.#bySymbol.get(name.slice(0, Math.max(0, name.lastIndexOf('.'))))
  }

  /** A file, and behind it those that it imports, which spares tools the questions. */
  #file(file: DescribedFile | undefined, missing: string): [number: number, value: Uint8Array] {
    if (file === undefined) return failure(Code.NOT_FOUND, missing)
    const files = new Set([file])
    for (const { imports } of files) for (const name of imports) files.add(this.#byName.get(name)!)
    return [4, writeFields(...[...files].map(({ bytes }) => [1, Buffer.from(bytes, 'base64')] as const))]
  }
}

function failure(code: Code, reason: string): [number: number, value: Uint8Array] {
  return [7, writeFields([1, code], [2, reason])]
}
