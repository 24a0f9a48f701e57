import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { nearest } from '../base/nearest.js'
import { Usage } from './usage.js'

/** `sluice explain`: what the code of an error means, and what to do. */
export function explainCommand(): Command {
  return new Command('explain')
    .summary('say what the code of an error means, and what to do')
    .description("Says what the code of an error means, and what to do. A code is what error.code has, or the last line of a command's message.")
    .argument('[code]', 'such as ERR_NEED_UNKNOWN (default: a list of all codes)')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice explain ERR_NEED_UNKNOWN
  $ sluice explain`,
    )
    .action((code?: string) => void process.stdout.write(code === undefined ? listed() : explained(code)))
}

interface Entry {
  readonly code: string
  readonly text: string
}

/** The page of errors, which is in the package. */
function entries(): { title: string; entries: Entry[] }[] {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  return page
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...parts] = section.split(/^### /m)
      return {
        title: title.split('\n', 1)[0]!,
        entries: parts.map((part) => ({ code: part.split('\n', 1)[0]!.trim(), text: part.slice(part.indexOf('\n')).trim() })),
      }
    })
}

/** Whether the page has an entry for it. */
export function isExplained(code: unknown): code is string {
  try {
    return entries().some(({ entries }) => entries.some((entry) => entry.code === code))
  } catch {
    return false
  }
}

function explained(given: string): string {
  const code = given.toUpperCase().replace(/^(ERR_)?/, 'ERR_')
  const all = entries().flatMap(({ entries }) => entries)
  const entry = all.find((entry) => entry.code === code)
  if (entry === undefined) {
    const near = nearest(
      code,
      all.map(({ code }) => code),
    )
    throw new Usage(`no error of sluice has the code ${given}. ${near === undefined ? 'sluice explain lists all codes' : `Did you mean ${near}?`}`)
  }
  return `${code}\n\n${plain(entry.text)}\n\nIn the docs: docs/errors.md#${code.toLowerCase()}\n`
}

function listed(): string {
  return entries()
    .filter(({ entries }) => entries.length > 0)
    .map(({ title, entries }) => `${title}\n${entries.map(({ code }) => `  ${code}\n`).join('')}`)
    .join('\n')
}

/** Markdown as a terminal shows it best: links are the files they lead to. */
function plain(text: string): string {
  return text
    .replace(
      /\[([^\]]+)\]\(([^)]+)\)/g,
      (_, words: string, to: string) => `${words} (${/^[a-z]+:/.test(to) ? to : `docs/${to.startsWith('#') ? `errors.md${to}` : to}`})`,
    )
    .replaceAll('**', '')
    .replace(/`([^`]+)`/g, '$1')
}
