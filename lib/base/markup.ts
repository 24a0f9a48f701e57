const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** A text within HTML or XML: in elements, and in attributes between double quotes. */
export function inMarkup(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => ENTITIES[letter]!)
}
