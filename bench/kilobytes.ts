import { createHash } from 'node:crypto'

/** Texts of 1 kB that differ, made before the clock runs. */
export const texts = Array.from({ length: 1000 }, (_, i) => `${createHash('sha256').update(String(i)).digest('hex')} `.repeat(16).slice(0, 1000))

/** The bytes of a document on disk: its id, its text, and six more. */
export function recordOf(id: string, at: number): Buffer {
  return Buffer.from(`${id}${texts[at % texts.length]}######`)
}

/** Positions all over, the same for all who are asked. */
export function positions(asked: number, count: number): number[] {
  return Array.from({ length: asked }, (_, i) => Math.floor((((i + 1) * 0.6180339887) % 1) * count))
}
