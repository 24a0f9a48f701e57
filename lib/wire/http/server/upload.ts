import { ParseError } from '../../../base/errors.js'
import type { Document } from '../../../doc/document.js'
import { blocksOf } from '../../../doc/from/blocks.js'
import { endOfLine, lineAt } from '../../../doc/from/lines.js'
import { reporter } from '../../../doc/from/options.js'
import { DEFAULT_REQUEST_SIZE, type PostOptions } from '../../../post/options.js'
import type { UploadCharge } from '../../charge.js'
import { documentOf, parametersOf, parse } from '../read.js'
import { badOption, HttpRefusal } from '../refusal.js'

/** The most documents of an upload in one request: they are in memory together. */
const MAX_REQUEST_SIZE = 10_000

/** What is said of an upload beside its lines: in the query, or in headers of the same names, as `x-request-size`. */
export interface UploadOptions extends PostOptions {
  readonly execEndpoint: string | undefined
}

/** @throws HttpRefusal with status 422 that names the option */
export async function uploadOptions(query: string, header: (name: string) => string | undefined, prefetch: number): Promise<UploadOptions> {
  const given = new URLSearchParams(query)
  const read = (name: string): string | undefined => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return given.get(name) ?? given.get(snake) ?? header(`x-${snake.replaceAll('_', '-')}`) ?? undefined
  }
  const number = (name: string, most: number): number | undefined => {
    const text = read(name)
    if (text === undefined) return undefined
    const value = Number(text)
    if (!/^\d{1,9}$/.test(text) || value < 1 || value > most) throw badOption(name, `an integer from 1 to ${most} is due`)
    return value
  }
  const flag = (name: string): boolean => {
    const text = read(name) ?? 'false'
    if (text !== 'true' && text !== 'false') throw badOption(name, 'true or false is due')
    return text === 'true'
  }
  const parameters = read('parameters')
  return {
    execEndpoint: read('execEndpoint'),
    targetExecutor: read('targetExecutor') || undefined,
    parameters: parameters === undefined ? {} : await jsonOption('parameters', parameters),
    requestSize: number('requestSize', MAX_REQUEST_SIZE) ?? DEFAULT_REQUEST_SIZE,
    prefetch: Math.min(number('prefetch', 1_000_000) ?? prefetch, prefetch),
    resultsInOrder: flag('resultsInOrder'),
    continueOnError: flag('continueOnError'),
    flushAfter: number('flushAfter', 3_600_000),
  }
}

async function jsonOption(name: string, text: string): Promise<object> {
  try {
    return parametersOf(await parse(text))
  } catch (error) {
    if (error instanceof HttpRefusal) throw badOption(name, error.message)
    throw error
  }
}

/**
 * The documents of an upload, a line each. Reads on when asked to.
 * @param charge what it is charged to
 * @throws ParseError that names line and field, also for one over the limit
 */
export async function* documentsOf(chunks: AsyncIterable<Uint8Array>, limit: number, charge?: UploadCharge): AsyncGenerator<Document> {
  for await (const { text, line } of blocksOf(charge?.charged(chunks) ?? chunks, limit, reporter(undefined, undefined))) {
    charge?.came(text.length)
    for (let at = 0, number = line; at < text.length; number++) {
      const end = endOfLine(text, at)
      const json = lineAt(text, at, end)
      at = end + 1
      if (json.trim() === '') continue
      const made = document(json, number)
      yield made instanceof Promise ? await made : made
    }
  }
}

function document(text: string, line: number): Document | Promise<Document> {
  const unread = (error: unknown): unknown =>
    error instanceof HttpRefusal ? new ParseError(error.message.replace(/^body[.:]\s*/, ''), { file: undefined, line }, { cause: error }) : error
  try {
    const json = parse(text)
    if (!(json instanceof Promise)) return documentOf(json)
    return json.then(documentOf).catch((error) => Promise.reject(unread(error)))
  } catch (error) {
    throw unread(error)
  }
}
