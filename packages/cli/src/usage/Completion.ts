/**
 * Completion scripts for shells. Commands and flags stand in the script; names of peers, meshes and channels are asked for
 * when they are needed, by `claudemesh completion --names`.
 */
import type { CommandFlag, CommandLine } from "./CommandLine.ts"

export type Shell = "bash" | "zsh" | "fish"

/** What the first argument of a command is. */
const argumentOf: Readonly<Record<string, "targets" | "peers" | "meshes">> = {
  send: "targets",
  verify: "peers",
  revoke: "peers",
  leave: "meshes",
  move: "meshes",
}

const words = (flags: ReadonlyArray<CommandFlag>): string =>
  flags.flatMap(({ aliases, name }) => [`--${name}`, ...aliases]).join(" ")

const named = (flags: ReadonlyArray<CommandFlag>): string =>
  flags.flatMap(({ aliases, name }) => [`--${name}`, ...aliases]).join("|")

const unique = (flags: ReadonlyArray<CommandFlag>): ReadonlyArray<CommandFlag> => [
  ...new Map(flags.map((flag) => [`${flag.name} ${flag.choices.join()}`, flag])).values(),
]

/** Flags that take a value, by what it is. */
const values = ({ commands, everywhere }: CommandLine) => {
  const all = unique([...commands.flatMap(({ flags }) => flags), ...everywhere]).filter(({ takesValue }) => takesValue)
  return {
    mesh: all.filter(({ name }) => name === "mesh"),
    chosen: all.filter(({ choices }) => choices.length > 0),
    free: all.filter(({ choices, name }) => name !== "mesh" && choices.length === 0),
  }
}

const bash = (line: CommandLine): string => {
  const { chosen, free, mesh } = values(line)
  const { commands, everywhere } = line
  return `# claudemesh completion for bash: source <(claudemesh completion bash)
_claudemesh_names() {
  local IFS=$'\\n' name
  COMPREPLY=()
  for name in $(claudemesh completion --names "$1" 2>/dev/null); do
    case $name in "$2"*) COMPREPLY+=("$(printf '%q' "$name")") ;; esac
  done
}
_claudemesh() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= at=0 word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    at=$((at + 1))
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  COMPREPLY=()
  case $prev in
    ${named(mesh)}) _claudemesh_names meshes "$cur"; return ;;
${chosen.map((flag) => `    ${named([flag])}) COMPREPLY=($(compgen -W "${flag.choices.join(" ")}" -- "$cur")); return ;;`).join("\n")}
    ${named(free)}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  if [ -z "$command" ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} ${words(everywhere)}" -- "$cur"))
    return
  fi
  case $cur in -*)
    case $command in
${commands.map(({ flags, name }) => `      ${name}) COMPREPLY=($(compgen -W "${words([...flags, ...everywhere])}" -- "$cur")) ;;`).join("\n")}
    esac
    return ;;
  esac
  [ "$COMP_CWORD" -eq $((at + 1)) ] || return
  case $command in
${Object.entries(argumentOf)
  .map(([name, kind]) => `    ${name}) _claudemesh_names ${kind} "$cur" ;;`)
  .join("\n")}
    help) COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$cur")) ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")) ;;
${commands
  .filter(({ subcommands }) => subcommands.length > 0)
  .map(
    ({ name, subcommands }) =>
      `    ${name}) COMPREPLY=($(compgen -W "${subcommands.map((sub) => sub.name).join(" ")}" -- "$cur")) ;;`,
  )
  .join("\n")}
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -F _claudemesh claudemesh
`
}

/** In a text between single quotes. */
const escaped = (text: string): string => text.replaceAll("'", String.raw`'\''`)

const zsh = (line: CommandLine): string => {
  const { chosen, free, mesh } = values(line)
  const { commands, everywhere } = line
  const described = (of: ReadonlyArray<{ readonly name: string; readonly does: string }>) =>
    of.map(({ does, name }) => `'${name}:${escaped(does).replaceAll(":", "\\:")}'`).join(" ")
  return `#compdef claudemesh
# claudemesh completion for zsh: source <(claudemesh completion zsh)
_claudemesh_names() { compadd -- \${(f)"$(claudemesh completion --names $1 2>/dev/null)"} }
_claudemesh() {
  local cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} command= at=1 word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    at=$((at + 1))
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  case $prev in
    ${named(mesh)}) _claudemesh_names meshes; return ;;
${chosen.map((flag) => `    ${named([flag])}) compadd -- ${flag.choices.join(" ")}; return ;;`).join("\n")}
    ${named(free)}) _files; return ;;
  esac
  if [[ -z $command ]]; then
    found=(${described(commands)})
    _describe command found
    [[ $cur == -* ]] && compadd -- ${words(everywhere)}
    return
  fi
  if [[ $cur == -* ]]; then
    case $command in
${commands.map(({ flags, name }) => `      ${name}) compadd -- ${words([...flags, ...everywhere])} ;;`).join("\n")}
    esac
    return
  fi
  (( CURRENT == at + 1 )) || return
  case $command in
${Object.entries(argumentOf)
  .map(([name, kind]) => `    ${name}) _claudemesh_names ${kind} ;;`)
  .join("\n")}
    help) found=(${described(commands)}); _describe command found ;;
    completion) compadd -- bash zsh fish ;;
${commands
  .filter(({ subcommands }) => subcommands.length > 0)
  .map(({ name, subcommands }) => `    ${name}) found=(${described(subcommands)}); _describe command found ;;`)
  .join("\n")}
    *) _files ;;
  esac
}
(( $+functions[compdef] )) && compdef _claudemesh claudemesh
`
}

const fish = ({ commands, everywhere }: CommandLine): string => {
  const flagLine = (condition: string, { aliases, choices, does, name, takesValue }: CommandFlag) =>
    [
      `complete -c claudemesh -n '${condition}' -l ${name}`,
      ...aliases.map((alias) => `-s ${alias.replace(/^-+/, "")}`),
      ...(name === "mesh" ? ["-x -a '(claudemesh completion --names meshes 2>/dev/null)'"] : []),
      ...(choices.length > 0 ? [`-x -a '${choices.join(" ")}'`] : []),
      ...(takesValue && name !== "mesh" && choices.length === 0 ? ["-r"] : []),
      `-d '${escaped(does).slice(0, 80)}'`,
    ].join(" ")
  const on = (name: string) => `__fish_seen_subcommand_from ${name}`
  return [
    "# claudemesh completion for fish: claudemesh completion fish | source",
    "complete -c claudemesh -e",
    ...commands.flatMap(({ does, flags, name, subcommands }) => [
      `complete -c claudemesh -f -n __fish_use_subcommand -a ${name} -d '${escaped(does)}'`,
      ...flags.map((flag) => flagLine(on(name), flag)),
      ...subcommands.map(
        (sub) => `complete -c claudemesh -f -n '${on(name)}' -a ${sub.name} -d '${escaped(sub.does)}'`,
      ),
    ]),
    ...Object.entries(argumentOf).map(
      ([name, kind]) =>
        `complete -c claudemesh -f -n '${on(name)}' -a '(claudemesh completion --names ${kind} 2>/dev/null)'`,
    ),
    `complete -c claudemesh -f -n '${on("completion")}' -a 'bash zsh fish'`,
    `complete -c claudemesh -f -n '${on("help")}' -a '${commands.map(({ name }) => name).join(" ")}'`,
    ...everywhere.map((flag) => flagLine("true", flag)),
    "",
  ].join("\n")
}

export const completionScript = (shell: Shell, line: CommandLine): string => ({ bash, zsh, fish })[shell](line)
