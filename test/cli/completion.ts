// What a shell completes of a command line: asked of the real shells, those of them that are here.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { flowCommand } from '../../lib/cli/serve.js'
import { SHELLS, type Shell } from '../../lib/cli/shells.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
folder.file('flow.yml', '')
folder.file('my flow.yml', '')
mkdirSync(folder.file('deploy'))

const scriptOf = async (shell: Shell): Promise<string> => {
  const command = new Command(['completion', shell])
  assert.is((await command.end).code, 0, command.stderr)
  return folder.file(`completion.${shell}`, command.stdout)
}

/** A run of a shell: it sees this folder, and nothing of the user's. */
function output(shell: string, args: string[]): string {
  const env = { PATH: process.env.PATH, HOME: folder.path, TERM: 'dumb', LC_ALL: 'C.UTF-8' }
  const { stdout, stderr, error } = spawnSync(shell, args, { cwd: folder.path, env, encoding: 'utf8', timeout: 20_000 })
  if (error) throw error
  assert.is(stderr, '')
  return stdout
}

folder.file(
  'ask.bash',
  `source completion.bash
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  _sluice
  ((\${#COMPREPLY[@]})) && printf '%s\\n' "\${COMPREPLY[@]}"
  true`,
)
// zsh completes where somebody types: so it gets a terminal, in which what is offered is written down.
folder.file(
  'session.zsh',
  `autoload -U compinit
  compinit -u -d $HOME/zcompdump
  source completion.zsh
  compadd() {
    if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -A hits "$@"
    ((\${#hits})) && print -rl -- $hits >> hits.txt
  }
  comppostfuncs=(over)
  over() { print over >> hits.txt; exit }
  bindkey '^I' complete-word
  zle-line-init() { print -n 'rea''dy' }
  zle -N zle-line-init`,
)
folder.file(
  'ask.zsh',
  `zmodload zsh/zpty
  zpty -b z zsh -f -i
  zpty -w z 'source ./session.zsh'
  out=''
  until [[ $out == *ready* ]]; do zpty -r z chunk && out+=$chunk; done
  : > hits.txt
  zpty -n -w z "$1"$'\\t'
  until [[ $hits == *over* ]]; do zpty -r -t z chunk; sleep 0.01; hits=$(< hits.txt); done
  zpty -d z
  print -r -- "\${hits%over}"`,
)

/** What each shell offers for a line, without what it says about it. */
const ASK: Record<Shell, (line: string) => string> = {
  // As bash has it in words: = is one of its own.
  bash: (line) => output('bash', ['--norc', 'ask.bash', ...line.replace('=', ' = ').split(' ')]),
  zsh: (line) => output('zsh', ['-f', 'ask.zsh', line]),
  fish: (line) => output('fish', ['--no-config', '-c', `source completion.fish; complete -C '${line}'`]),
}

const OFFERED: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['sluice ru', ['run']],
  ['sluice run --runtime ', ['inline', 'process', 'thread']],
  ['sluice run --runtime=th', ['thread']],
  ['sluice run --no-p', ['--no-progress']],
  ['sluice run fl', ['flow.yml']],
  ['sluice run -i fl', ['flow.yml']],
  ['sluice run -i x fl', ['flow.yml']],
  ['sluice run my', ['my flow.yml']],
  ['sluice daemon st', ['status']],
  ['sluice daemon --port 3 status --j', ['--json']],
  ['sluice export ku', ['kubernetes', 'kustomize']],
  ['sluice export compose fl', ['flow.yml']],
  ['sluice export compose flow.yml d', ['deploy']],
  ['sluice flow --port ', []],
  ['sluice flow --cors ', []],
  ['sluice flow --cors --graph', ['--graphql']],
  ['sluice flow --cors x fl', ['flow.yml']],
  ['sluice completion ', ['bash', 'fish', 'zsh']],
]

for (const shell of Object.keys(SHELLS) as Shell[]) {
  const isHere = spawnSync(shell, ['--version']).error === undefined
  test(`T1: ${shell} completes commands, flags, their values and files${isHere ? '' : ', which is not tried here'}`, async () => {
    const script = await scriptOf(shell)
    if (!isHere) return
    output(shell, ['-n', script])
    const offered = (line: string): string[] => [
      ...new Set(
        ASK[shell](line)
          .split('\n')
          .filter((word) => word !== '')
          .map((word) =>
            word
              .replace(/\t.*$/, '')
              .replace(/\/$/, '')
              .replaceAll('\\ ', ' ')
              .replace(/^--runtime=/, ''),
          ),
      ),
    ]
    for (const [line, wanted] of OFFERED) assert.equal(offered(line).sort(), [...wanted], `${shell}: ${line}`)
    const flags = offered('sluice flow --')
    const own = flowCommand().options.filter(({ hidden }) => !hidden)
    assert.equal(flags.sort(), [...own.map(({ long }) => long!), '--help'].sort())
    assert.ok(own.length > 30)
  })
}

test('completion of another shell is refused with those that there are', async () => {
  const command = new Command(['completion', 'tcsh'])
  assert.is((await command.end).code, 2)
  assert.match(command.stderr, /Allowed choices are bash, zsh, fish/)
})

test.run()
