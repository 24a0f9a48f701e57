const told = new Set<string>()

/** Says once that an option has another name now. The old one goes on to work. */
export function deprecated(option: string, instead: string): void {
  if (told.has(option)) return
  told.add(option)
  const message = `${option} is called ${instead} now, and will go one day`
  if (typeof globalThis.process?.emitWarning === 'function') process.emitWarning(message, 'DeprecationWarning')
  else console.warn(`sluice: ${message}`)
}
