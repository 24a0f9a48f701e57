import { LENGTH } from './reader.js'
import type { Source } from './source.js'
import { readKey } from './struct.js'

// Where nodes of docarray ≥ 0.30 stand in the bytes they came in (see node.ts), so that what was not changed can be written as it came.

/** Where an entry of a map, or an item of a list, stands. */
export interface Span {
  readonly source: Source
  /** From its tag on. */
  readonly at: number
  readonly stop: number
  /** Its node, which may be empty. */
  readonly node: number
  readonly end: number
}

/** What a node holds. */
export interface Kind {
  readonly source: Source
  /** That of its content; 0 for None. */
  readonly tag: number
  /** What Python calls it, as `ndarray`, `torch_tensor` and `image_url`; mostly `''`. */
  readonly type: string
  /** Where its content stands, if that has a length. */
  readonly start: number
  readonly end: number
}

export function kindOf({ source, node, end }: Span): Kind {
  const { reader } = source
  const kind = { source, tag: 0, type: '', start: 0, end: 0 }
  for (reader.pos = node; reader.pos < end; ) {
    const tag = reader.tag()
    if (tag === 0x6a) kind.type = readKey(reader, end)
    else {
      kind.tag = tag
      if ((tag & 7) === LENGTH) {
        kind.end = reader.stop(end)
        kind.start = reader.pos
        reader.pos = kind.end
      } else reader.skip(tag, end)
    }
  }
  return kind
}

/** The entries of a map of nodes, by their names: the last of each. */
export function entriesOf({ source, start, end }: Pick<Kind, 'source' | 'start' | 'end'>): Map<string, Span> {
  const { reader } = source
  const spans = new Map<string, Span>()
  for (const { at, stop, node } of itemsOf({ source, start, end })) {
    let name = ''
    let from = stop
    let to = stop
    for (reader.pos = node; reader.pos < stop; ) {
      const tag = reader.tag()
      if (tag === 0x0a) name = readKey(reader, stop)
      else if (tag === 0x12) {
        to = reader.stop(stop)
        from = reader.pos
        reader.pos = to
      } else reader.skip(tag, stop)
    }
    spans.set(name, { source, at, stop, node: from, end: to })
  }
  return spans
}

/** The items of a list. */
export function itemsOf({ source, start, end }: Pick<Kind, 'source' | 'start' | 'end'>): Span[] {
  const { reader } = source
  const spans: Span[] = []
  for (reader.pos = start; reader.pos < end; ) {
    const at = reader.pos
    const tag = reader.tag()
    if (tag === 0x0a) {
      const stop = reader.stop(end)
      spans.push({ source, at, stop, node: reader.pos, end: stop })
      reader.pos = stop
    } else reader.skip(tag, end)
  }
  return spans
}
