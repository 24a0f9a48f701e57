#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { isExplained } from './explain.js'
import { explain, Failed, Usage } from './usage.js'

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  new: async () => (await import('./new.js')).newCommand(version),
  run: async () => (await import('./run.js')).runCommand(),
  flow: async () => (await import('./serve.js')).flowCommand(),
  executor: async () => (await import('./serve.js')).executorCommand(),
  daemon: async () => (await import('./daemon.js')).daemonCommand(),
  export: async () => (await import('./export.js')).exportCommand(),
  client: async () => (await import('./run.js')).clientCommand(),
  ping: async () => (await import('./ping.js')).pingCommand(),
  hub: async () => (await import('./hub.js')).hubCommand(),
  top: async () => (await import('./top.js')).topCommand(),
  explain: async () => (await import('./explain.js')).explainCommand(),
  completion: async () => (await import('./completion.js')).completionCommand(),
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('sluice')
  .description('Streams documents through a Flow of Executors, and serves it to others.')
  .version(version, '-v, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .helpCommand(false)
  // What stands behind a command is for that one: `daemon` and `daemon status` have options of one name.
  .enablePositionalOptions()
  .showSuggestionAfterError()
  .configureOutput({ outputError: (text, write) => write(`sluice: ${text.replace(/^error: /, '')}`) })
  .exitOverride()
  .addHelpText('after', '\nEach command has a --help of its own, with examples.')

// What is asked for is loaded alone. All of them are where none is, or one that does not exist: for the help, to say what it may have meant, and for the shell.
const [asked = ''] = process.argv.slice(2)
const isOne = Object.hasOwn(COMMANDS, asked) && asked !== 'completion'
for (const load of isOne ? [COMMANDS[asked]!] : Object.values(COMMANDS)) program.addCommand(await load())
for (const command of program.commands) for (const one of [command, ...command.commands]) one.copyInheritedSettings(program)

// Whoever reads the messages may leave early; the job goes on.
process.stderr.on('error', () => {})

/** 0: all went well; 1: something failed; 2: the command line makes no sense; 128 and the number of a signal: it stopped a run before its end, or came twice. */
let code = 0
let over = false
process.on('beforeExit', () => {
  over = true
  process.stderr.write('sluice: nothing goes on any more, and not all is answered: an executor or the input waits for something that never comes\n')
  process.exit(1)
})
process.on('exit', (code) => {
  if (over) return
  process.stderr.write(`sluice: an executor, or what it uses, ended the process with ${code} before all was answered\n`)
  if (code === 0) process.exitCode = 1
})
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) code = error.exitCode === 0 ? 0 : 2
  else {
    code = error instanceof Usage ? 2 : error instanceof Failed ? error.code : 1
    if (!(error instanceof Failed)) {
      const { code } = error as { code?: unknown }
      process.stderr.write(`sluice: ${explain(error)}\n${isExplained(code) ? `More about it: sluice explain ${code}\n` : ''}`)
    }
  }
}
over = true
// The job is done, and what executors left open must not keep the process; nor is its exit code theirs to say.
process.exit(code)
