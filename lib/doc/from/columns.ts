import { say, show } from '../../base/errors.js'
import { Document, type DocumentInit } from '../document.js'

/** Which column fills which field: `{ question: 'text' }`. A name that is no field is a tag's; so is one behind `tags.`, as in `{ location: 'tags.location' }`. */
export type FieldResolver = Readonly<Record<string, keyof DocumentInit | (string & {})>>

/** A cell, counted from 0, that cannot be taken. Whoever knows where it is makes a ParseError of it. */
export class CellError extends Error {
  constructor(
    readonly cell: number,
    reason: string,
    cause?: unknown,
  ) {
    super(reason, { cause })
  }
}

type Read = (cell: string) => unknown
export interface Column {
  readonly name: string
  /** A field's name, or that of a tag. */
  readonly key: string
  readonly read: Read
  /** It fills a field only because of its name, which may be by chance. */
  readonly hint: boolean
}

const TAGS = 'tags.'
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

const text: Read = (cell) => (cell === '' ? undefined : cell)
const tag: Read = (cell) => cell
const json: Read = (cell) => (cell.trim() === '' ? undefined : JSON.parse(cell))
const number: Read = (cell) => {
  const trimmed = cell.trim()
  if (trimmed === '') return undefined
  if (!NUMBER.test(trimmed)) throw new TypeError(`must be a number, not ${show(cell)}`)
  return Number(trimmed)
}

const FIELDS: Record<string, Read | undefined> = Object.assign(Object.create(null), {
  ...all(['id', 'text', 'content', 'blob', 'uri', 'mimeType', 'mime_type', 'modality', 'parentId', 'parent_id'], text),
  ...all(['weight', 'offset', 'granularity', 'adjacency'], number),
  ...all(['tensor', 'embedding', 'location', 'tags', 'chunks', 'matches', 'scores', 'evaluations'], json),
})

/** How the columns of a table fill documents. @throws CellError for names that cannot be */
export function columnsOf(names: readonly string[], resolver: FieldResolver): Column[] {
  const missing = Object.keys(resolver).find((name) => !names.includes(name))
  if (missing !== undefined) throw new CellError(0, `there is no column ${show(missing)}, which fieldResolver names; there are ${names.map(show).join(', ')}`)
  const keys = new Map<string, string>()
  return names.map((name, cell) => {
    const key = Object.hasOwn(resolver, name) ? resolver[name]! : name
    if (key === '__proto__' || key === `${TAGS}__proto__`) throw new CellError(cell, 'a document cannot have a field or tag named __proto__')
    if (keys.has(key)) throw new CellError(cell, `the columns ${show(keys.get(key))} and ${show(name)} both fill ${show(key)}; rename one by fieldResolver`)
    keys.set(key, name)
    return { name, key, read: FIELDS[key] ?? tag, hint: FIELDS[key] !== undefined && key === name }
  })
}

/** The document of a row. @throws CellError for a cell that does not fit */
export function documentOf(columns: readonly Column[], cells: readonly string[]): Document {
  const init: Record<string, unknown> = {}
  const tags: Record<string, unknown> = {}
  for (let cell = 0; cell < columns.length; cell++) {
    const { name, key, read } = columns[cell]!
    try {
      const value = read(cells[cell]!)
      if (key.startsWith(TAGS)) tags[key.slice(TAGS.length)] = value
      else init[key] = value
    } catch (error) {
      throw new CellError(cell, `${show(name)}: ${say(error)}${hint(columns[cell]!)}`, error)
    }
  }
  try {
    const document = new Document(init)
    Object.assign(document.tags, tags)
    return document
  } catch (error) {
    throw culprit(columns, init, error)
  }
}

/** Finds the cell by trying each on its own. */
function culprit(columns: readonly Column[], init: Record<string, unknown>, error: unknown): CellError {
  const cell = columns.findIndex(({ key }) => {
    try {
      new Document({ [key]: init[key] })
      return false
    } catch {
      return true
    }
  })
  return new CellError(Math.max(cell, 0), `${say(error)}${cell < 0 ? '' : hint(columns[cell]!)}`, error)
}

function hint({ name, hint }: Column): string {
  return hint
    ? `. The column is named like a field of documents; to make it a tag: fieldResolver: { ${JSON.stringify(name)}: ${JSON.stringify(`tags.${name}`)} }`
    : ''
}

function all(names: readonly string[], read: Read): Record<string, Read> {
  return Object.fromEntries(names.map((name) => [name, read]))
}
