// The few lines a shell needs to ask `alamode complete` while a command line is typed. What can follow is decided there.

const BASH = `# Completion of alamode for bash. In ~/.bashrc:  source <(alamode completion bash)
_alamode() {
  local line=\${COMP_LINE:0:COMP_POINT} cut="" breaks="" whole value about
  # bash takes what follows a : or = for a word of its own, and wants to be told no more than that.
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
  whole=\${line##*[[:space:]]}
  [[ -n $breaks && $whole == *[$breaks]* ]] && cut=\${whole%"\${whole##*[$breaks]}"}
  COMPREPLY=()
  type compopt >/dev/null 2>&1 && compopt +o default
  while IFS=$'\\t' read -r value about; do
    if [[ $value == :files ]]; then
      type compopt >/dev/null 2>&1 && compopt -o default
      COMPREPLY=()
      return
    fi
    [[ $value == *= ]] && type compopt >/dev/null 2>&1 && compopt -o nospace
    value=\${value#"$cut"}
    [[ $whole == [\\'\\"]* ]] || printf -v value %q "$value"
    COMPREPLY+=("$value")
  done < <(alamode complete --line "$line" 2>/dev/null)
}
complete -o default -F _alamode alamode
`;

const ZSH = `#compdef alamode
# Completion of alamode for zsh. In ~/.zshrc, after compinit:  source <(alamode completion zsh)
_alamode() {
  local line value
  local -a found
  for line in "\${(@f)$(alamode complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == :files ]]; then
      _files
      return
    fi
    value=\${line%%$'\\t'*}
    found+=("\${\${value//\\\\/\\\\\\\\}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -t alamode alamode found
}
if [[ \${funcstack[1]} == _alamode ]]; then
  _alamode "$@"
else
  compdef _alamode alamode
fi
`;

const FISH = `# Completion of alamode for fish:  alamode completion fish > ~/.config/fish/completions/alamode.fish
function __alamode_complete
    set -l typed (commandline -ct)
    set -l words (commandline -opc)
    for line in (alamode complete -- $words[2..-1] "$typed" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$typed"
        else
            echo $line
        end
    end
end
complete -c alamode -f -a '(__alamode_complete)'
`;

export const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
