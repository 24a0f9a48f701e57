import { say } from '../base/errors.js'
import type { Bundle } from '../base/kernel.js'
import { inMarkup } from '../base/markup.js'
import { Document } from '../doc/document.js'
import { toBase64 } from '../doc/json.js'
import type { Listed } from '../doc/list.js'
import type { NdArray } from '../doc/ndarray.js'

/** What a table shows of an array: its first rows. */
const ROWS = 10
/** Characters of a text or of tags in a cell. */
const LONGEST = 160
/** Bytes of an image that a notebook takes into its file: larger ones are named. */
const LARGEST = 1 << 20

interface Column {
  readonly title: string
  /** As text; undefined where a document has nothing to show in it. */
  text(document: Document<any>): string | undefined
  /** As HTML, where that says more. */
  html?(document: Document<any>): string | undefined
}

const COLUMNS: readonly Column[] = [
  { title: 'id', text: ({ id }) => cut(id, LONGEST / 2) },
  { title: 'content', text: contentOf, html: thumbnail },
  { title: 'embedding', text: ({ embedding }) => embedding && shapeOf(embedding) },
  { title: 'tags', text: ({ tags }) => (Object.keys(tags).length === 0 ? undefined : cut(brief(tags, LONGEST))) },
  { title: 'scores', text: (document) => scoresOf(document) },
  { title: 'chunks', text: (document) => countOf(document, 'chunks') },
  { title: 'matches', text: (document) => countOf(document, 'matches') },
  { title: 'uri', text: ({ uri }) => (uri === undefined || dataType(uri) ? undefined : cut(uri, LONGEST / 2)) },
]

/**
 * The first documents of an array as a table, in HTML and in text: contents, thumbnails of images, shapes of tensors, what else they have.
 * It never throws: who shows something in a notebook does not want to lose the cell.
 * @param name what stands over it, with how many there are
 */
export async function tableOf(list: Pick<Listed<any>, 'length' | 'at'>, name: string, ...lines: readonly string[]): Promise<Bundle> {
  try {
    const length = await list.length
    const rows: Document<any>[] = []
    for (let at = 0; at < Math.min(length, ROWS); at++) {
      const document: unknown = await list.at(at)
      if (document instanceof Document) rows.push(document)
    }
    const title = [`${name} of ${length.toLocaleString('en-US')} ${length === 1 ? 'document' : 'documents'}`, ...lines.map((line) => cut(line, LONGEST * 10))]
    const all = COLUMNS.map((column) => ({ title: column.title, cells: rows.map((row) => cellOf(column, row)) }))
    const columns = all.filter(({ cells }) => cells.some(({ text }) => text !== undefined))
    const more = length - rows.length
    const rest = more > 0 ? `… ${more.toLocaleString('en-US')} more` : ''
    return { 'text/html': htmlOf(title, columns, rest), 'text/plain': plainOf(title, columns, rest) }
  } catch (error) {
    return { 'text/plain': `${name}: ${say(error)}` }
  }
}

/** What stands in a column, by rows. */
interface Cells {
  readonly title: string
  readonly cells: readonly { readonly text: string | undefined; readonly html: string }[]
}

/** What one document cannot say is said in its place: the others are shown. */
function cellOf(column: Column, row: Document<any>): Cells['cells'][number] {
  try {
    const text = column.text(row)
    return { text, html: column.html?.(row) ?? inMarkup(text ?? '') }
  } catch (error) {
    const text = cut(say(error))
    return { text, html: inMarkup(text) }
  }
}

function htmlOf(title: readonly string[], columns: readonly Cells[], rest: string): string {
  const head = columns.map(({ title }) => `<th style="text-align:left">${title}</th>`).join('')
  const rows = columns[0]?.cells.map((_, at) => columns.map(({ cells }) => `<td style="text-align:left;vertical-align:top">${cells[at]!.html}</td>`))
  const body = rows?.map((row) => `<tr>${row.join('')}</tr>`).join('')
  const table = body === undefined ? '' : `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`
  return `<div>${title.map((line) => `<div>${inMarkup(line)}</div>`).join('')}${table}${rest && `<div>${rest}</div>`}</div>`
}

function plainOf(title: readonly string[], columns: readonly Cells[], rest: string): string {
  // What moves a cursor, or turns what is written around, is none of a table.
  const one = (text: string | undefined): string => cut((text ?? '').replaceAll(/[\s\p{C}]+/gu, ' '), 40)
  const drawn = columns.map(({ title, cells }) => [title, ...cells.map(({ text }) => one(text))])
  const widths = drawn.map((texts) => Math.max(...texts.map((text) => text.length)))
  const lines = (drawn[0] ?? []).map((_, at) =>
    drawn
      .map((texts, column) => texts[at]!.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  return [...title, ...lines, rest].filter((line) => line !== '').join('\n')
}

function contentOf(document: Document<any>): string | undefined {
  const { text, blob, tensor, mimeType } = document
  if (text !== '') return cut(text)
  if (blob !== undefined) return `${imageTypeOf(document) ?? mimeType ?? 'bytes'}, ${sizeOf(blob.length)}`
  return tensor ? shapeOf(tensor) : dataType(document.uri)
}

/** The type of an image that an address holds itself. */
function dataType(uri: string | undefined): string | undefined {
  return uri && /^data:(image\/[\w.+-]+)[;,]/i.exec(uri)?.[1]
}

/** `float32[768]` */
function shapeOf({ data, shape }: NdArray): string {
  return cut(`${data.constructor.name.replace(/Array$/, '').toLowerCase()}[${shape.slice(0, LONGEST).join(', ')}]`)
}

/** An image in the blob, or in a `data:` address; addresses elsewhere are not fetched, as who reads a notebook has not asked for it. */
function thumbnail(document: Document<any>): string | undefined {
  const { blob, uri } = document
  const type = blob && imageTypeOf(document)
  const at =
    type !== undefined && blob!.length <= LARGEST
      ? `data:${type};base64,${toBase64(blob!)}`
      : uri !== undefined && uri.length <= 2 * LARGEST && dataType(uri) !== undefined
        ? uri
        : undefined
  return at && `<img src="${inMarkup(at)}" alt="${inMarkup(contentOf(document) ?? document.id)}" style="max-width:96px;max-height:96px">`
}

const SIGNATURES: readonly (readonly [string, RegExp])[] = [
  ['image/png', /^\x89PNG/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8/],
  ['image/webp', /^RIFF.{4}WEBP/s],
  ['image/bmp', /^BM.{4}\0{4}/s],
]

/** By its MIME type, or by how its bytes begin. */
function imageTypeOf({ blob, mimeType }: Document<any>): string | undefined {
  if (mimeType !== undefined) return /^image\/[\w.+-]+$/i.test(mimeType) ? mimeType : undefined
  const start = String.fromCharCode(...blob!.subarray(0, 16))
  return SIGNATURES.find(([, signature]) => signature.test(start))?.[0]
}

function scoresOf({ scores }: Document<any>): string | undefined {
  const all = Object.entries(scores ?? {}).map(([name, { value }]) => `${name} ${value.toPrecision(4)}`)
  return all.length > 0 ? cut(all.join(', ')) : undefined
}

function countOf(document: Document<any>, field: 'chunks' | 'matches'): string | undefined {
  return document.has(field) ? `${document[field].length}` : undefined
}

/** A value much as JSON has it, and no more of it than is shown: it may be a million numbers, or contain itself. */
function brief(value: unknown, room: number): string {
  if (typeof value === 'string') return JSON.stringify(cut(value, room))
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? 'a function' : String(value)
  if (value instanceof Date) return JSON.stringify(value) ?? 'null'
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`
  const isList = Array.isArray(value)
  let text = ''
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue
    if (text.length >= room) break
    const inner = brief((value as Record<string, unknown>)[key], room - text.length - 1)
    text += `${text === '' ? '' : ','}${isList ? '' : `${JSON.stringify(cut(key, room))}:`}${inner}`
  }
  return isList ? `[${text}]` : `{${text}}`
}

function cut(text: string, most = LONGEST): string {
  // No half of a character stands at the end.
  return text.length > most ? `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…` : text
}

function sizeOf(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
