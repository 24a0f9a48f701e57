#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { pingCommand } from './ping.js'
import { clientCommand, runCommand } from './run.js'
import { executorCommand, flowCommand } from './serve.js'
import { explain, Usage } from './usage.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('sluice')
  .description('Streams documents through a Flow of Executors, and serves it to others.')
  .version(version, '-v, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .helpCommand(false)
  .showSuggestionAfterError()
  .configureOutput({ outputError: (text, write) => write(`sluice: ${text.replace(/^error: /, '')}`) })
  .exitOverride()
  .addHelpText('after', '\nEach command has a --help of its own, with examples.')
  .addCommand(runCommand())
  .addCommand(flowCommand())
  .addCommand(executorCommand())
  .addCommand(clientCommand())
  .addCommand(pingCommand())
for (const command of program.commands) command.copyInheritedSettings(program)

// Whoever reads the messages may leave early; the job goes on.
process.stderr.on('error', () => {})

/** 0: all went well; 1: something failed; 2: the command line makes no sense. A second signal ends the process as that signal does (130, 143). */
let code = 0
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) code = error.exitCode === 0 ? 0 : 2
  else {
    code = error instanceof Usage ? 2 : 1
    process.stderr.write(`sluice: ${explain(error)}\n`)
  }
}
// The job is done, and what executors left open must not keep the process.
process.exit(process.exitCode ?? code)
