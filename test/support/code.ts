import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** `.js` where the suites run compiled, as `test/run.mjs` has them, `.ts` under tsx. */
const ending = import.meta.url.slice(-3)

/** The file of a module of this project, `lib/index` say, in the same form as the suite that asks: for a process of its own. */
export function code(module: string): string {
  return fileURLToPath(new URL(`../../${module}${ending}`, import.meta.url))
}

/**
 * The command, or the library for modules that it loads: as they are published where suites run compiled, which starts sooner, and is what users have.
 * Both have to be taken: an Executor of one is none to the other.
 */
export function published(module: string): string {
  return ending === '.js' ? resolve('dist', `${module}.js`) : code(`lib/${module}`)
}

/** The same for an `import` in a program that is written by a suite. */
export function codeUrl(module: string): string {
  return pathToFileURL(code(module)).href
}

/** What node has to be told to run such a file: nothing, or to load tsx. fork() passes that on by itself. */
export const flags: readonly string[] = process.execArgv

/** What node has to be told to run a program that a suite has written, behind which its arguments stand: `process.argv.slice(-n)` has them. */
export function asProgram(text: string): string[] {
  if (!('Deno' in globalThis)) return [...flags, '--input-type=module', '-e', text]
  // Deno takes no modules from its command line in the place of node. The folder is inside the package, so that it finds what the package uses.
  const folder = resolve('.sluice', 'programs')
  mkdirSync(folder, { recursive: true })
  const file = resolve(folder, `${createHash('sha256').update(text).digest('hex').slice(0, 16)}.mjs`)
  writeFileSync(file, text)
  return [file]
}
