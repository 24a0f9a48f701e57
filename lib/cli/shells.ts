/** What can stand behind a command. */
export interface Spot {
  /** The commands that lead there: none, or `daemon`, `status`. */
  readonly path: readonly string[]
  readonly commands: readonly { readonly name: string; readonly about: string }[]
  readonly flags: readonly Flag[]
  readonly operands: readonly (Value & { readonly many: boolean })[]
}

interface Flag {
  readonly names: readonly string[]
  readonly about: string
  readonly value?: Value
  /** It may stand without its value, which then begins with no `-`. */
  readonly optional: boolean
}

/** What a value is: one of several words, a file, a folder, or something that nobody can guess. */
export interface Value {
  readonly kind: 'choice' | 'file' | 'folder' | 'other'
  readonly choices: readonly string[]
}

export type Shell = keyof typeof SHELLS

/**
 * The script of each shell. All of them do the same: they walk the words before the cursor, and so know the command, how many operands were given, and
 * whether the value of a flag is due. What stands in the table is what the commands say of themselves.
 */
export const SHELLS = { bash, zsh, fish }

/** As a shell takes a text for one word. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const fishQuoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`

const at = ({ path }: Spot): string => path.join(' ')

/** Everything that takes a value, as `<path> <flag>`, and each operand, as `<path> <number>`; `many` is for any number from there. */
function valuesOf(spots: readonly Spot[]): { key: string; value: Value; optional: boolean; many: boolean }[] {
  return spots.flatMap((spot) => [
    ...spot.flags.flatMap(({ names, value, optional }) =>
      value === undefined ? [] : names.map((name) => ({ key: `${at(spot)} ${name}`, value, optional, many: false })),
    ),
    ...spot.operands.map((value, number) => ({ key: `${at(spot)} ${number}`, value, optional: false, many: value.many })),
  ])
}

/** A line of a `case` of bash and zsh. */
function branch(keys: readonly string[], body: string): string {
  return keys.length === 0 ? '' : `    ${keys.join('|')}) ${body} ;;\n`
}

/** What bash and zsh do alike: `list` writes what is offered, which zsh shows with what it is about. */
function posix(spots: readonly Spot[], list: (entries: readonly { name: string; about: string }[]) => string): string {
  const values = valuesOf(spots)
  const key = ({ key, many }: { key: string; many: boolean }): string => (many ? `${quoted(key.replace(/ \d+$/, ' '))}[0-9]*` : quoted(key))
  const kind = (wanted: Value['kind']) => values.filter(({ value }) => value.kind === wanted).map(key)
  const taking = (isOptional: boolean) => values.filter(({ key, optional }) => / -/.test(key) && optional === isOptional).map(({ key }) => quoted(key))
  return `# $1: a command and a flag. Does its value follow? It may be missing where 2 is the answer.
_sluice_takes() {
  case $1 in
${branch(taking(false), 'return 0')}${branch(taking(true), 'return 2')}  esac
  return 1
}
# $1: a command and a flag, or a command and the number of an operand
_sluice_kind() {
  kind=other
  choices=()
  case $1 in
${branch(kind('file'), 'kind=file')}${branch(kind('folder'), 'kind=folder')}${values
  .filter(({ value }) => value.kind === 'choice')
  .map((one) => branch([key(one)], `kind=choice; choices=(${one.value.choices.map((name) => quoted(name)).join(' ')})`))
  .join('')}  esac
}
# $1: a command
_sluice_behind() {
  commands=() flags=()
  case $1 in
${spots
  .map((spot) =>
    branch(
      [quoted(at(spot))],
      `commands=(${list(spot.commands)}) flags=(${list(spot.flags.flatMap(({ names, about }) => names.map((name) => ({ name, about }))))})`,
    ),
  )
  .join('')}  esac
}
_sluice_is_command() {
  case $1 in
${branch(
  spots.slice(1).map((spot) => quoted(at(spot))),
  'return 0',
)}  esac
  return 1
}
`
}

/** The walk over the words before the cursor, in bash and zsh. @param first of the words, behind the name of the command */
const walk = (words: string, current: string, first: number): string => `  local at='' given=0 flag='' next i=${first} takes
  while ((i < ${current})); do
    next=\${${words}[i]}
    if [[ $next == -* ]]; then
      _sluice_takes "$at $next"
      takes=$?
      if [[ $takes != 1 ]]; then
        [[ \${${words}[i + 1]} == '=' ]] && ((i++))
        if ((i + 1 >= ${current})); then
          [[ $takes == 2 && $word == -* ]] || flag=$next
        elif [[ $takes == 0 || \${${words}[i + 1]} != -* ]]; then
          ((i++))
        fi
      fi
    elif ((given == 0)) && _sluice_is_command "\${at:+$at }$next"; then
      at="\${at:+$at }$next"
    else
      ((given++))
    fi
    ((i++))
  done
`

function bash(spots: readonly Spot[]): string {
  return `# What bash completes of sluice, as 'sluice completion bash' prints it.
${posix(spots, (entries) => entries.map(({ name }) => name).join(' '))}_sluice() {
  local word=\${COMP_WORDS[COMP_CWORD]} kind choices commands flags IFS=$'\\n'
  # To bash, --name=value is three words.
  [[ $word == '=' ]] && word=''
${walk('COMP_WORDS', 'COMP_CWORD', 1)}  COMPREPLY=()
  if [[ $flag == '' && $word == -* ]]; then
    _sluice_behind "$at"
    COMPREPLY=($(compgen -W "\${flags[*]}" -- "$word"))
    return
  fi
  _sluice_kind "$at \${flag:-$given}"
  case $kind in
    choice) COMPREPLY=($(compgen -W "\${choices[*]}" -- "$word")) ;;
    file) compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "$word")) ;;
    folder) compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -d -- "$word")) ;;
  esac
  if [[ $flag == '' ]] && ((given == 0)); then
    _sluice_behind "$at"
    COMPREPLY+=($(compgen -W "\${commands[*]}" -- "$word"))
  fi
}
complete -F _sluice sluice
`
}

function zsh(spots: readonly Spot[]): string {
  const entry = ({ name, about }: { name: string; about: string }): string => quoted(`${name.replaceAll(':', '\\:')}:${about}`)
  return `#compdef sluice
# What zsh completes of sluice, as 'sluice completion zsh' prints it.
${posix(spots, (entries) => entries.map(entry).join(' '))}_sluice() {
  local word=\${words[CURRENT]} kind
  local -a choices commands flags
${walk('words', 'CURRENT', 2)}  if [[ $flag == '' && $word == --*=* ]]; then
    flag=\${word%%=*}
    compset -P '*='
  fi
  if [[ $flag == '' && $word == -* ]]; then
    _sluice_behind "$at"
    _describe -o 'option' flags
    return
  fi
  _sluice_kind "$at \${flag:-$given}"
  case $kind in
    choice) compadd -a choices ;;
    file) _files ;;
    folder) _files -/ ;;
  esac
  if [[ $flag == '' ]] && ((given == 0)); then
    _sluice_behind "$at"
    ((\${#commands})) && _describe 'command' commands
  fi
}
if [[ \${funcstack[1]} == _sluice ]]; then _sluice "$@"; else compdef _sluice sluice; fi
`
}

function fish(spots: readonly Spot[]): string {
  const values = valuesOf(spots)
  const isFlag = ({ key }: { key: string }): boolean => / -/.test(key)
  const when = (keys: readonly string[], body: string): string => (keys.length === 0 ? '' : `        case ${keys.join(' ')}\n            ${body}\n`)
  const key = ({ key, many }: { key: string; many: boolean }): string => fishQuoted(many ? key.replace(/ \d+$/, ' *') : key)
  const lines = (entries: readonly { name: string; about: string }[]): string =>
    `printf '%s\\n' ${entries.map(({ name, about }) => fishQuoted(`${name}\t${about}`)).join(' ')}`
  const taking = (isOptional: boolean) => values.filter((one) => isFlag(one) && one.optional === isOptional).map(key)
  const kind = (wanted: Value['kind']) => values.filter(({ value }) => value.kind === wanted).map(key)
  return `# What fish completes of sluice, as 'sluice completion fish' prints it.
function __sluice_takes
    switch $argv[1]
${when(taking(false), 'return 0')}${when(taking(true), 'return 2')}    end
    return 1
end
function __sluice_value
    set -l word $argv[2]
    switch $argv[1]
${when(kind('file'), '__fish_complete_path $word')}${when(kind('folder'), '__fish_complete_directories $word')}${values
  .filter(({ value }) => value.kind === 'choice')
  .map((one) => when([key(one)], `printf '%s\\n' ${one.value.choices.map((choice) => fishQuoted(choice)).join(' ')}`))
  .join('')}    end
end
function __sluice_flags
    switch $argv[1]
${spots.map((spot) => when([fishQuoted(at(spot))], lines(spot.flags.flatMap(({ names, about }) => names.map((name) => ({ name, about })))))).join('')}    end
end
function __sluice_commands
    switch $argv[1]
${spots
  .filter(({ commands }) => commands.length > 0)
  .map((spot) => when([fishQuoted(at(spot))], lines(spot.commands)))
  .join('')}    end
end
function __sluice_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l at ''
    set -l given 0
    set -l flag ''
    set -l due 1
    for next in $words[2..-1]
        if test $due != 1
            set flag ''
            if test $due = 0; or not string match -q -- '-*' $next
                set due 1
                continue
            end
            set due 1
        end
        if string match -q -- '-*' $next
            __sluice_takes "$at $next"
            set due $status
            test $due != 1; and set flag $next
        else if test $given = 0; and contains -- (string trim "$at $next") ${spots
          .slice(1)
          .map((spot) => fishQuoted(at(spot)))
          .join(' ')}
            set at (string trim "$at $next")
        else
            set given (math $given + 1)
        end
    end
    if test $due = 2; and string match -q -- '-*' $word
        set flag ''
    end
    if test -n "$flag"
        __sluice_value "$at $flag" $word
        return
    end
    set -l parts (string match -r -- '^(--[^=]+)=(.*)$' $word)
    if test (count $parts) = 3
        for value in (__sluice_value "$at $parts[2]" $parts[3])
            echo $parts[2]=$value
        end
        return
    end
    if string match -q -- '-*' $word
        __sluice_flags $at
        return
    end
    __sluice_value "$at $given" $word
    test $given = 0; and __sluice_commands $at
end
complete -c sluice -f -a '(__sluice_complete)'
`
}
