import { Argument, Command } from 'commander'
import { SHELLS, type Shell, type Spot, type Value } from './shells.js'

/** `sluice completion`: what a shell needs to complete the words of a command line. */
export function completionCommand(): Command {
  return new Command('completion')
    .summary('complete command lines in bash, zsh or fish')
    .description('Prints what a shell needs to complete the commands, options and files of sluice.')
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(sluice completion bash)                                            # in ~/.bashrc
  $ source <(sluice completion zsh)                                             # in ~/.zshrc, behind compinit
  $ sluice completion fish > ~/.config/fish/completions/sluice.fish             # once for each version`,
    )
    .action((shell: Shell, _: object, command: Command) => {
      process.stdout.write(SHELLS[shell](spotsOf(command.parent!)))
    })
}

/** What can stand behind each command: as the command line itself is described, so that none is forgotten. */
export function spotsOf(command: Command, path: readonly string[] = []): Spot[] {
  const flags = command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => ({
      names: [option.short, option.long].filter((name) => name !== undefined),
      about: option.description,
      ...((option.required || option.optional) && { value: valueKind(/[<[](.*)[>\]]$/.exec(option.flags)![1]!, option.argChoices) }),
      optional: option.optional,
    }))
  const help = { names: ['-h', '--help'], about: 'print this help', optional: false }
  const commands = command.commands.map((one) => ({ name: one.name(), about: one.summary() || one.description() }))
  const operands = command.registeredArguments.map((argument) => ({ ...valueKind(argument.name(), argument.argChoices), many: argument.variadic }))
  return [{ path, commands, flags: [...flags, help], operands }, ...command.commands.flatMap((one) => spotsOf(one, [...path, one.name()]))]
}

/** Which names of values stand for files, and which for folders. */
const FILES = ['file', 'flow', 'uses', 'package']
const FOLDERS = ['folder', 'name-or-folder']

function valueKind(name: string, choices: readonly string[] | undefined): Value {
  if (choices !== undefined) return { kind: 'choice', choices }
  return { kind: FILES.includes(name) ? 'file' : FOLDERS.includes(name) ? 'folder' : 'other', choices: [] }
}
