/**
 * `sluice completion SHELL`: a completion script, made of the table of commands.
 */
import type { Argument, Command as Program } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'

interface Flag {
  readonly long: string
  readonly text: string
  /** What follows it: nothing, a path, or one of some words. */
  readonly value: 'none' | 'path' | 'word'
  readonly choices: readonly string[]
}

interface Described {
  readonly name: string
  readonly text: string
  readonly flags: readonly Flag[]
  /** Whether files complete its argument, and the words that do. */
  readonly files: boolean
  readonly choices: readonly string[]
}

export function completionScript(program: Program, shell: Shell): string {
  const commands = program.commands.map(describeCommand)
  return { bash, zsh, fish }[shell](commands)
}

function describeCommand(command: Program): Described {
  const [argument] = command.registeredArguments as readonly (Argument | undefined)[]
  return {
    name: command.name(),
    text: command.description(),
    flags: [...command.options.map(describeFlag), helpFlag],
    files: argument?.name() === 'file',
    choices: argument?.argChoices ?? [],
  }
}

const helpFlag: Flag = { long: '--help', text: 'show help', value: 'none', choices: [] }

function describeFlag(option: Program['options'][number]): Flag {
  const value = option.flags.includes('<path>') ? 'path' : 'word'
  return {
    long: option.long ?? option.flags,
    text: option.description,
    value: option.required ? value : 'none',
    choices: option.argChoices ?? [],
  }
}

const words = (all: readonly string[]) => all.join(' ')

function bash(commands: readonly Described[]): string {
  const cases = commands.map(({ name, flags, files, choices }) => {
    const known = words([...flags.map(({ long }) => long), ...choices])
    const paths = files ? '; COMPREPLY+=($(compgen -f -- "$word"))' : ''
    return `    ${name}) COMPREPLY=($(compgen -W '${known}' -- "$word"))${paths} ;;`
  })
  const values = commands
    .flatMap(({ flags }) => flags)
    .filter(({ value }) => value !== 'none')
    .map(({ long, value, choices }) =>
      value === 'path'
        ? `    ${long}) COMPREPLY=($(compgen -f -- "$word")); return ;;`
        : `    ${long}) COMPREPLY=($(compgen -W '${words(choices)}' -- "$word")); return ;;`,
    )
  return [
    '# bash completion of sluice: source <(sluice completion bash)',
    '_sluice() {',
    '  local word="$2" before="$3" command',
    '  read -r _ command _ <<<"$COMP_LINE"',
    '  COMPREPLY=()',
    '  case "$before" in',
    ...new Set(values),
    '  esac',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W '${words(commands.map(({ name }) => name))} --help --version --no-color' -- "$word"))`,
    '    return',
    '  fi',
    '  case "$command" in',
    ...cases,
    '  esac',
    '}',
    'complete -o filenames -F _sluice sluice',
  ].join('\n')
}

/** Inside single quotes. */
const quoted = (text: string) => text.replaceAll("'", "'\\''")

function zsh(commands: readonly Described[]): string {
  const escaped = (text: string) => quoted(text).replaceAll(/[[\]:]/g, '\\$&')
  const flagSpec = ({ long, text, value, choices }: Flag) => {
    const action = value === 'path' ? '_files' : `(${words(choices)})`
    return `'${long}[${escaped(text)}]${value === 'none' ? '' : `:value:${action}`}'`
  }
  const cases = commands.map(({ name, flags, files, choices }) => {
    const argument = files ? ["'1:file:_files'"] : [`'1:word:(${words(choices)})'`]
    const specs = [...flags.map(flagSpec), ...(files || choices.length > 0 ? argument : [])]
    return `    ${name}) _arguments ${specs.join(' ')} ;;`
  })
  return [
    '#compdef sluice',
    '_sluice() {',
    '  if (( CURRENT == 2 )); then',
    '    local -a commands=(',
    ...commands.map(({ name, text }) => `      '${name}:${escaped(text)}'`),
    '    )',
    "    _describe 'command' commands",
    '    return',
    '  fi',
    '  local name="$words[2]"',
    '  shift words; (( CURRENT-- ))',
    '  case "$name" in',
    ...cases,
    '  esac',
    '}',
    'compdef _sluice sluice',
  ].join('\n')
}

function fish(commands: readonly Described[]): string {
  const text = (value: string) => value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  const lines = commands.flatMap(({ name, text: what, flags, files, choices }) => {
    const inside = `complete -c sluice -n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c sluice -n __fish_use_subcommand -f -a ${name} -d '${text(what)}'`,
      ...flags.map(({ long, text: about, value, choices: given }) => {
        const wants = { none: '', path: ' -r -F', word: ` -x -a '${words(given)}'` }[value]
        return `${inside} -l ${long.slice(2)}${wants} -d '${text(about)}'`
      }),
      ...(choices.length > 0 ? [`${inside} -f -a '${words(choices)}'`] : []),
      ...(files || choices.length > 0 ? [] : [`${inside} -f`]),
    ]
  })
  return ['# fish completion of sluice: sluice completion fish | source', ...lines].join('\n')
}
