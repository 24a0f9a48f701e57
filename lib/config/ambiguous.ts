/** Plain scalars that Python's YAML 1.1 and today's YAML 1.2 read as different values. */
const AMBIGUOUS = [
  /^(?:yes|no)$/i, // true and false, or texts
  /^[-+]?0[\d_]+$/, // octal, or decimal
  /^[-+]?0[ob]/, // a text or octal; binary or a text
  /^[-+]0x|^0x[\da-f]*_/i, // a number in base 16, or a text
  /^[-+]?[\d.][\d.]*_[\d._]*(?:e[-+]\d+)?$/i, // a number, or a text
  /^[-+]\.\d/, // a text, or a number
  /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/, // base 60, or a text
  /^[-+]?(?:\d+e[-+]?\d+|[\d.]+e\d+)$/i, // a text, or a number
  /^\d{4}-\d\d?-\d\d?(?:[Tt ].*)?$/, // a date, or a text
]

/** Whether a plain scalar must be quoted to mean the same everywhere. */
export function isAmbiguous(source: string): boolean {
  return AMBIGUOUS.some((form) => form.test(source))
}
