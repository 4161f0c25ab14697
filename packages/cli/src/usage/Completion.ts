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
  rename: "peers",
  leave: "meshes",
  move: "meshes",
}

const argumentWords: Readonly<Record<string, ReadonlyArray<string>>> = {
  status: ["dnd", "idle"],
  privacy: ["all", "nothing"],
  completion: ["bash", "zsh", "fish"],
}

/** Commands and flags that take the path of a file or a folder. */
const takesFile: ReadonlyArray<string> = ["export", "import"]
const isPath = ({ name }: CommandFlag): boolean => name === "file" || name === "into"
/** What is behind `--wait` is a text or a name, unless it is one of two words. */
const needsValue = ({ name, takesValue }: CommandFlag): boolean => takesValue && name !== "wait"

const words = (flags: ReadonlyArray<CommandFlag>): string =>
  flags.flatMap(({ aliases, name }) => [`--${name}`, ...aliases]).join(" ")

const spelt = ({ aliases, name }: CommandFlag): ReadonlyArray<string> => [`--${name}`, ...aliases]

/** As a pattern of shells: `"status --for"`. One name may be another flag in another command. */
const calls = (line: CommandLine, isMeant: (flag: CommandFlag) => boolean): string =>
  [
    ...line.commands.flatMap(({ flags, name }) =>
      flags.filter(isMeant).flatMap((flag) => spelt(flag).map((word) => `"${name} ${word}"`)),
    ),
    ...line.everywhere.filter(isMeant).flatMap((flag) => spelt(flag).map((word) => `*" ${word}"`)),
  ].join("|")

/** Flags that take a value, by what it is; where nothing is known of it nothing is offered. */
const values = (line: CommandLine) => {
  const all = [...line.commands.flatMap(({ flags }) => flags), ...line.everywhere].filter(needsValue)
  const choices = [...new Set(all.map((flag) => flag.choices.join(" ")))].filter((words) => words !== "")
  return {
    any: [...new Set(all.flatMap(spelt))].join("|"),
    mesh: calls(line, ({ name, takesValue }) => takesValue && name === "mesh"),
    paths: calls(line, isPath),
    chosen: choices.map((words) => ({
      words,
      pattern: calls(line, (flag) => flag.choices.join(" ") === words),
    })),
  }
}

const bash = (line: CommandLine): string => {
  const { any, chosen, mesh, paths } = values(line)
  const { commands, everywhere } = line
  return `# claudemesh completion for bash: source <(claudemesh completion bash)
# As typed so far: with quotes and backslashes, and as one word where bash cuts it at colons. Only what is behind the last colon is replaced.
_claudemesh_names() {
  local IFS=$'\\n' name open= typed=$2 slug= shell
  case $typed in \\"*|\\'*) open=\${typed:0:1} ;; esac
  typed=\${typed//[\\\\\\"\\']/}
  case $typed in *:*) slug=\${typed%:*}: ;; esac
  shell=$(shopt -p nocasematch)
  shopt -s nocasematch
  COMPREPLY=()
  for name in $(claudemesh completion --names "$1" 2>/dev/null); do
    case $name in "$typed"*) ;; *) name=$slug$name ;; esac
    case $name in "$typed"*)
      name=\${name:\${#slug}}
      [ -n "$open" ] || name=$(printf '%q' "$name")
      COMPREPLY+=("$name") ;;
    esac
  done
  eval "$shell"
}
_claudemesh() {
  local cur= command= flag= args=0 word at cut=
  local -a line=()
  for ((at = 1; at <= COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [ -n "$cut" ] || [ "$word" = : ]; then line[\${#line[@]}-1]+=$word; else line+=("$word"); fi
    cut=
    [ "$word" = : ] && cut=1
  done
  cur=\${line[\${#line[@]}-1]}
  for word in "\${line[@]:0:\${#line[@]}-1}"; do
    [ "$word" = = ] && continue
    [ -n "$flag" ] && { flag=; continue; }
    case $word in
      ${any}) flag=$word ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=$word; else args=$((args + 1)); fi ;;
    esac
  done
  COMPREPLY=()
  [ "$cur" = = ] && cur=
  if [ -n "$flag" ]; then
    case "$command $flag" in
      ${mesh}) _claudemesh_names meshes "$cur" ;;
${chosen.map(({ pattern, words }) => `      ${pattern}) COMPREPLY=($(compgen -W "${words}" -- "$cur")) ;;`).join("\n")}
      ${paths}) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
    return
  fi
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
  [ "$command $word" = "broker backup" ] && COMPREPLY=($(compgen -f -- "$cur"))
  [ "$args" -eq 0 ] || return
  case $command in
${Object.entries(argumentOf)
  .map(([name, kind]) => `    ${name}) _claudemesh_names ${kind} "$cur" ;;`)
  .join("\n")}
    help) COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$cur")) ;;
${Object.entries(argumentWords)
  .map(([name, choices]) => `    ${name}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$cur")) ;;`)
  .join("\n")}
${commands
  .filter(({ subcommands }) => subcommands.length > 0)
  .map(
    ({ name, subcommands }) =>
      `    ${name}) COMPREPLY=($(compgen -W "${subcommands.map((sub) => sub.name).join(" ")}" -- "$cur")) ;;`,
  )
  .join("\n")}
    ${takesFile.join("|")}) COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -F _claudemesh claudemesh
`
}

/** In a text between single quotes. */
const escaped = (text: string): string => text.replaceAll("'", String.raw`'\''`)

const zsh = (line: CommandLine): string => {
  const { any, chosen, mesh, paths } = values(line)
  const { commands, everywhere } = line
  const described = (of: ReadonlyArray<{ readonly name: string; readonly does: string }>) =>
    of.map(({ does, name }) => `'${name}:${escaped(does).replaceAll(":", "\\:")}'`).join(" ")
  return `#compdef claudemesh
# claudemesh completion for zsh: source <(claudemesh completion zsh)
_claudemesh_names() { compadd -- \${(f)"$(claudemesh completion --names $1 2>/dev/null)"} }
_claudemesh() {
  local cur=\${words[CURRENT]} command= flag= args=0 word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ -n $flag ]] && { flag=; continue }
    case $word in
      ${any}) flag=$word ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word; else args=$((args + 1)); fi ;;
    esac
  done
  if [[ -n $flag ]]; then
    case "$command $flag" in
      ${mesh}) _claudemesh_names meshes ;;
${chosen.map(({ pattern, words }) => `      ${pattern}) compadd -- ${words} ;;`).join("\n")}
      ${paths}) _files ;;
    esac
    return
  fi
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
  [[ "$command $word" == "broker backup" ]] && _files
  (( args == 0 )) || return
  case $command in
${Object.entries(argumentOf)
  .map(([name, kind]) => `    ${name}) _claudemesh_names ${kind} ;;`)
  .join("\n")}
    help) found=(${described(commands)}); _describe command found ;;
${Object.entries(argumentWords)
  .map(([name, choices]) => `    ${name}) compadd -- ${choices.join(" ")} ;;`)
  .join("\n")}
${commands
  .filter(({ subcommands }) => subcommands.length > 0)
  .map(({ name, subcommands }) => `    ${name}) found=(${described(subcommands)}); _describe command found ;;`)
  .join("\n")}
    ${takesFile.join("|")}) _files ;;
  esac
}
(( $+functions[compdef] )) && compdef _claudemesh claudemesh
`
}

const on = (names: string) => `__fish_seen_subcommand_from ${names}`

const fish = ({ commands, everywhere }: CommandLine): string => {
  const flagLine = (condition: string, flag: CommandFlag) => {
    const { aliases, choices, does, name } = flag
    return [
      `complete -c claudemesh -n '${condition}' -l ${name}`,
      ...aliases.map((alias) => `-s ${alias.replace(/^-+/, "")}`),
      ...(name === "mesh" ? ["-x -a '(claudemesh completion --names meshes 2>/dev/null)'"] : []),
      ...(choices.length > 0 ? [`-x -a '${choices.join(" ")}'`] : []),
      ...(needsValue(flag) && name !== "mesh" && choices.length === 0 ? [isPath(flag) ? "-r" : "-x"] : []),
      `-d '${escaped(does).slice(0, 80)}'`,
    ].join(" ")
  }
  return [
    "# claudemesh completion for fish: claudemesh completion fish | source",
    "complete -c claudemesh -e",
    // Files are offered where one is taken, and nowhere else.
    `complete -c claudemesh -f -n 'not ${on([...takesFile, "backup"].join(" "))}'`,
    ...commands.flatMap(({ does, flags, name, subcommands }) => [
      `complete -c claudemesh -f -n __fish_use_subcommand -a ${name} -d '${escaped(does)}'`,
      ...flags.map((flag) => flagLine(on(name), flag)),
      ...subcommands.map(
        (sub) =>
          `complete -c claudemesh -f -n '${on(name)}; and not ${on(sub.name)}' -a ${sub.name} -d '${escaped(sub.does)}'`,
      ),
    ]),
    ...Object.entries(argumentOf).map(
      ([name, kind]) =>
        `complete -c claudemesh -f -n '${on(name)}' -a '(claudemesh completion --names ${kind} 2>/dev/null)'`,
    ),
    ...Object.entries(argumentWords).map(
      ([name, choices]) => `complete -c claudemesh -f -n '${on(name)}' -a '${choices.join(" ")}'`,
    ),
    `complete -c claudemesh -f -n '${on("help")}' -a '${commands.map(({ name }) => name).join(" ")}'`,
    ...everywhere.map((flag) => flagLine("true", flag)),
    "",
  ].join("\n")
}

export const completionScript = (shell: Shell, line: CommandLine): string => ({ bash, zsh, fish })[shell](line)
