import type { NamedScore } from '../../doc/fields.js'
import type { Reader } from './reader.js'
import { put, readKey } from './struct.js'
import type { Writer } from './writer.js'

// Maps of NamedScoreProto by name: key = 1, value = 2 { value = 1, op_name = 2, description = 3, ref_id = 4 }.

/** An entry of a map of scores. */
export function readScore(reader: Reader, scores: Record<string, NamedScore>, end: number): void {
  let name = ''
  const score: NamedScore = { value: 0 }
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) name = readKey(reader, end)
    else if (tag === 0x12) {
      const stop = reader.stop(end)
      while (reader.pos < stop) {
        const tag = reader.tag()
        if (tag === 0x0d) score.value = reader.float(stop)
        else if (tag === 0x12) score.opName = reader.text(stop)
        else if (tag === 0x1a) score.description = reader.text(stop)
        else if (tag === 0x22) score.refId = reader.text(stop)
        else reader.skip(tag, stop)
      }
      reader.done(stop)
    } else reader.skip(tag, end)
  }
  reader.done(end)
  put(scores, name, score)
}

export function writeScores(writer: Writer, tag: number, scores: Record<string, NamedScore>): void {
  for (const [name, { value, opName, description, refId }] of Object.entries(scores)) {
    writer.tag(tag)
    const entry = writer.open(1)
    writer.text(0x0a, name)
    writer.tag(0x12)
    const score = writer.open(1)
    if (value !== 0) writer.float(0x0d, value)
    if (opName) writer.text(0x12, opName)
    if (description) writer.text(0x1a, description)
    if (refId) writer.text(0x22, refId)
    writer.close(score, 1)
    writer.close(entry, 1)
  }
}
