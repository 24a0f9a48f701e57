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
  { title: 'id', text: ({ id }) => id },
  { title: 'content', text: contentOf, html: thumbnail },
  { title: 'embedding', text: ({ embedding }) => embedding && shapeOf(embedding) },
  { title: 'tags', text: (document) => json(document.tags) },
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
    const title = [`${name} of ${length.toLocaleString('en-US')} ${length === 1 ? 'document' : 'documents'}`, ...lines]
    const columns = COLUMNS.filter(({ text }) => rows.some((row) => text(row) !== undefined))
    const more = length - rows.length
    const rest = more > 0 ? `… ${more.toLocaleString('en-US')} more` : ''
    return { 'text/html': htmlOf(title, columns, rows, rest), 'text/plain': plainOf(title, columns, rows, rest) }
  } catch (error) {
    return { 'text/plain': `${name}: ${say(error)}` }
  }
}

function htmlOf(title: readonly string[], columns: readonly Column[], rows: readonly Document<any>[], rest: string): string {
  const head = columns.map(({ title }) => `<th style="text-align:left">${title}</th>`).join('')
  const cell = (column: Column, row: Document<any>): string =>
    `<td style="text-align:left;vertical-align:top">${column.html?.(row) ?? inMarkup(column.text(row) ?? '')}</td>`
  const body = rows.map((row) => `<tr>${columns.map((column) => cell(column, row)).join('')}</tr>`).join('')
  const table = rows.length === 0 ? '' : `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`
  return `<div>${title.map((line) => `<div>${inMarkup(line)}</div>`).join('')}${table}${rest && `<div>${rest}</div>`}</div>`
}

function plainOf(title: readonly string[], columns: readonly Column[], rows: readonly Document<any>[], rest: string): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ text }) => (text(row) ?? '').replaceAll(/\s+/g, ' ').slice(0, 40)))]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]!.length)))
  const lines =
    rows.length === 0
      ? []
      : cells.map((row) =>
          row
            .map((text, at) => text.padEnd(widths[at]!))
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
  return `${data.constructor.name.replace(/Array$/, '').toLowerCase()}[${shape.join(', ')}]`
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

function json(value: object | undefined): string | undefined {
  if (value === undefined || Object.keys(value).length === 0) return undefined
  try {
    return cut(JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}` : part)))
  } catch (error) {
    return say(error)
  }
}

function cut(text: string, most = LONGEST): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

function sizeOf(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
