import type { Document, NamedScore } from '../doc/document.js'
import { isTypedArray } from '../doc/ndarray.js'

/** Fields that Jina's JSON of a document has in another way. */
const OTHERWISE = new Set(['mimeType', 'parentId', 'chunks', 'matches', 'scores', 'evaluations'])

/** A document as Jina's JSON has it: names in snake_case, only what is set. */
export function documentJson(document: Document): Record<string, unknown> {
  const json = document.toJSON()
  if (json.tags !== undefined) json.tags = plain(json.tags)
  for (const field in json) if (OTHERWISE.has(field)) return renamed(json)
  return json
}

function renamed(fields: Record<string, unknown>): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  for (const field in fields) {
    const value = fields[field]
    switch (field) {
      case 'mimeType':
        json.mime_type = value
        break
      case 'parentId':
        json.parent_id = value
        break
      case 'chunks':
      case 'matches':
        json[field] = Array.from(value as Document[], documentJson)
        break
      case 'scores':
      case 'evaluations':
        json[field] = scores(value as Record<string, NamedScore>)
        break
      default:
        json[field] = value
    }
  }
  return json
}

function scores(named: Record<string, NamedScore>): object {
  return Object.fromEntries(
    Object.entries(named).map(([name, { value, opName, description, refId }]) => [name, { value, op_name: opName, description, ref_id: refId }]),
  )
}

/** Typed arrays as lists, as in protobuf: JSON alone makes objects of them. What has none is returned as it is. */
export function plain<T>(value: T): T {
  if (!hasTyped(value, [])) return value
  return JSON.parse(JSON.stringify(value, (_, inner) => (isTypedArray(inner) ? Array.from<number | bigint, number>(inner, Number) : inner)))
}

/** @param above what it is in. What contains itself, or is too deep, JSON refuses with a reason */
function hasTyped(value: unknown, above: object[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (isTypedArray(value)) return true
  if (above.length > 100 || above.includes(value)) return false
  above.push(value)
  for (const key in value) if (hasTyped((value as Record<string, unknown>)[key], above)) return true
  above.pop()
  return false
}

let last = Number.NaN
let lastText = ''

/** A time as JSON has it. Times come many times over: the end of one stop is the start of the next. */
export function isoTime(milliseconds: number): string {
  if (milliseconds !== last) {
    lastText = new Date(milliseconds).toISOString()
    last = milliseconds
  }
  return lastText
}
