const told = new Set<string>()

/** Says once that an option has another name now. The old one goes on to work. */
export function deprecated(option: string, instead: string): void {
  if (told.has(option)) return
  told.add(option)
  warn(`${option} is called ${instead} now, and will go one day`, 'DeprecationWarning')
}

/** Tells whoever runs this, once at a call: on stderr, unless Node is told not to. */
export function warn(message: string, type: string): void {
  if (typeof globalThis.process?.emitWarning === 'function') process.emitWarning(message, type)
  else console.warn(`sluice: ${message}`)
}
