// The bash that takes runs: its start-up text. For the messages over its two FIFOs see runner/shell-link.ts.
//
// It is an interactive bash, because only an interactive bash gives up a whole command at an interrupt and lives on. In
// a terminal people can use it as usual; on pipes it reads lines from the session's input. A run is one more line typed
// at its prompt, and takes the command from a file, as data. The output is never searched for markers.

import { type SessionMode, singleLine } from '@binnacle/protocol';
import { BASH } from './launcher.ts';

/** Typed at the prompt to start a run. In a terminal it is a key that readline expands to the line. */
export const WAKE: Readonly<Record<SessionMode, Buffer>> = {
  pty: Buffer.from('\u001b[7117;1~'),
  pipe: Buffer.from(
    ' { __binnacle_begin; } 2>/dev/null; eval -- "$__binnacle_command" </dev/null; { __binnacle_end; } 2>/dev/null\n',
  ),
};
/** The same on pipes for a run that reads the session's input, and in a terminal whose line editing was turned off. */
export const WAKE_WITH_INPUT = Buffer.from(
  ' { __binnacle_begin; } 2>/dev/null; eval -- "$__binnacle_command"; { __binnacle_end; } 2>/dev/null\n',
);
/** Typed before the key when that was lost: readline discards its part of a longer key. */
export const ABORT = Buffer.of(7);
/** Typed at the prompt after a run: restores the line that a person had begun to type before it. */
export const RESTORE_LINE = Buffer.from('\u001b[7117;2~');

/** Files in the folder of the shell. */
export const SHELL_FILES = {
  /** Supervises the shell, and starts the next one when it ends. */
  keeper: 'keeper.sh',
  startup: 'startup.sh',
  /** FIFO: messages of the shell to the runner. */
  reports: 'told',
  /** FIFO: the answers for which the shell waits. */
  answers: 'answers',
  /** Working directory, NUL, command. */
  command: 'command',
  /** The text shown for the command in a terminal. */
  title: 'title',
  /** Variables, functions and options after the last run, from which a fresh shell continues. */
  state: 'state',
} as const;

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Returns the text of the keeper. Descriptor 9 carries the real stderr past the complaints of an interactive bash
 * without a terminal at its start.
 *
 * `set -m` makes each shell a job of its own: in a terminal the job gets the terminal, which is taken back when the job
 * is killed, and `kill 0` in a run does not reach the keeper. Bash needs the terminal on stderr when it forks, so
 * stderr is redirected for the shell alone. A shell that stops itself continues at once; otherwise its session would
 * have no shell. The traps give children default signals, and keep an interrupt of all processes from ending the
 * keeper.
 */
export const keeperText = (dir: string, mode: SessionMode, key: string): string => `set -m
trap : INT QUIT TSTP
told=${quote(`${dir}/${SHELL_FILES.reports}`)} answers=${quote(`${dir}/${SHELL_FILES.answers}`)}
shell=(bash --noprofile ${mode === 'pty' ? '' : '--noediting '}--rcfile ${quote(`${dir}/${SHELL_FILES.startup}`)} -i)
while :; do
  "\${shell[@]}" 9>&2 2>/dev/null
  status=$?
  while [[ -n $(jobs -s) ]]; do fg >/dev/null; status=$?; done
  [[ -p $told && -p $answers ]] || exit "$status"
  printf '${key} 0 over %d\\n' "$status" >"$told"
  while IFS= read -r answer <"$answers"; do
    case $answer in '0 again') break ;; '0 enough') exit "$status" ;; esac
  done
done
`;

/**
 * Reads the keeper's text from a file: bash includes the name of the file that it runs in its message about a killed
 * shell.
 */
export const keeperCommand = (path: string): [string, ...string[]] => [BASH, '-c', 'eval "$(<"$1")"', 'bash', path];

/**
 * Returns the start-up text of the shell. A fresh shell does not keep `set -e`, or it would end at every failing
 * command, as the last shell did; nor `set -a`, which would export Binnacle's own variables. Each question of the shell
 * has a number, which the answer repeats: an interrupt can come between the two, and leaves an answer. `key` begins
 * each message: a child that writes into the FIFO by accident sends no valid message.
 *
 * The text works whatever a run leaves behind: `set -eux`, noclobber, an empty PATH, an IFS, builtins replaced by
 * functions. `__binnacle_end` sets PROMPT_COMMAND again, because start-up files that a run sources often replace it.
 */
export const startupText = (dir: string, mode: SessionMode, key: string): string => `
if [[ -e ${quote(`${dir}/${SHELL_FILES.state}`)} ]]; then builtin . ${quote(`${dir}/${SHELL_FILES.state}`)}; fi
set +ae
exec 2>&9 9>&-
unset HISTFILE
HISTCONTROL=ignorespace
set +H
__binnacle_dir=${quote(dir)}
__binnacle_key=${key}
__binnacle_run=
__binnacle_acked=
__binnacle_line=
__binnacle_n=0
__binnacle_ask() {
  __binnacle_n=$((__binnacle_n + 1))
  __binnacle_answer=
  builtin printf '%s %d %s\\n' "$__binnacle_key" "$__binnacle_n" "$1" >"$__binnacle_dir/${SHELL_FILES.reports}" || builtin kill -KILL $$
  while IFS= builtin read -r __binnacle_answer <"$__binnacle_dir/${SHELL_FILES.answers}"; do
    if [[ $__binnacle_answer == "$__binnacle_n "* ]]; then break; fi
  done
  __binnacle_acked=1
}
__binnacle_begin() {
  __binnacle_command=
  __binnacle_run=1
  __binnacle_ask begin
  if [[ $__binnacle_answer == *' no' ]]; then
    __binnacle_run=
  elif [[ $__binnacle_answer != *' go' ]]; then
    # An interrupt came instead of an answer.
    __binnacle_command='(exit 130)'
  else
    local cwd=
    { IFS= builtin read -r -d '' cwd; IFS= builtin read -r -d '' __binnacle_command || :; } <"$__binnacle_dir/${SHELL_FILES.command}"
    if [[ -n $cwd ]] && ! builtin cd -- "$cwd"; then builtin printf -v __binnacle_command 'builtin cd -- %q' "$cwd"; fi
  fi
}
__binnacle_save() {
  { builtin declare -p; builtin declare -f; builtin shopt -p; builtin set +o; builtin alias -p
    builtin printf 'builtin cd -- %q\\n' "$PWD"; } >|"$__binnacle_dir/${SHELL_FILES.state}"
}
__binnacle_end() {
  local __binnacle_status=$?
  if [[ -n $__binnacle_run ]]; then
    local __binnacle_cwd=\${PWD-}
    __binnacle_cwd=\${__binnacle_cwd:0:4096}
    __binnacle_ask "end $__binnacle_status \${__binnacle_cwd//[[:cntrl:]]/?}"
    __binnacle_run=
    __binnacle_save
  fi
  case "\${PROMPT_COMMAND[*]-}" in
    *__binnacle_prompt*) ;;
    *) PROMPT_COMMAND=('{ __binnacle_prompt; } 2>/dev/null' "\${PROMPT_COMMAND[@]}") ;;
  esac
  if [[ $- != *e* ]]; then return $__binnacle_status; fi
}
__binnacle_prompt() {
  __binnacle_end
  if [[ -z $__binnacle_acked ]]; then __binnacle_ask prompt; fi
  __binnacle_acked=
  local input=0 line=0 plain=0
  if ${mode === 'pty' ? '[[ -t 0 ]] && ' : ''}builtin read -t 0; then input=1; fi
  if [[ ! -o emacs && ! -o vi ]]; then plain=1; fi
  if [[ -n $__binnacle_line ]]; then line=1; fi
  builtin printf '%s 0 ready %d %d %d\\n' "$__binnacle_key" "$input" "$line" "$plain" >"$__binnacle_dir/${SHELL_FILES.reports}"
}
PROMPT_COMMAND=('{ __binnacle_prompt; } 2>/dev/null')
builtin trap '{ __binnacle_save; } 2>/dev/null' EXIT
builtin printf '%s 0 shell %d\\n' "$__binnacle_key" $$ >"$__binnacle_dir/${SHELL_FILES.reports}"
${mode === 'pty' ? TERMINAL_TEXT : PIPE_TEXT}`;

const PIPE_TEXT = `PS1= PS2=
set +o history
`;

/**
 * The alias ends in a comment, so that the title after it is never parsed. It is defined again each time, because a run
 * may have removed it; if aliases or comments were turned off, the line itself is shown (readline restores both after a
 * key's function, so the function cannot turn them on).
 */
const TERMINAL_TEXT = `PS1='\\w\\$ '
__binnacle_load() {
  if [[ ! -e $__binnacle_dir/${SHELL_FILES.title} ]]; then return; fi
  __binnacle_line+=$READLINE_LINE
  set +H
  if shopt -q expand_aliases && shopt -q interactive_comments; then
    alias run:='{ __binnacle_begin; } 2>/dev/null; eval -- "$__binnacle_command"; { __binnacle_end; } 2>/dev/null #'
    IFS= builtin read -r READLINE_LINE <"$__binnacle_dir/${SHELL_FILES.title}" || :
  else
    READLINE_LINE=' { __binnacle_begin; } 2>/dev/null; eval -- "$__binnacle_command"; { __binnacle_end; } 2>/dev/null'
  fi
  READLINE_POINT=\${#READLINE_LINE}
}
__binnacle_restore() {
  READLINE_LINE=$__binnacle_line$READLINE_LINE
  READLINE_POINT=\${#READLINE_LINE}
  __binnacle_line=
}
for __binnacle_map in emacs vi-insert vi-command; do
  bind -m $__binnacle_map -x '"\\e[7117;3~": __binnacle_load'
  bind -m $__binnacle_map '"\\e[7117;4~": accept-line'
  bind -m $__binnacle_map '"\\e[7117;1~": "\\e[7117;3~\\e[7117;4~"'
  bind -m $__binnacle_map -x '"\\e[7117;2~": __binnacle_restore'
done
unset __binnacle_map
`;

/** Returns one line that a terminal shows unchanged; the shell does not parse its content. */
export function titleOf(command: string): string {
  const line = command.trim().split('\n', 1)[0] ?? '';
  const shown = singleLine(line, { max: 200, ellipsis: '' });
  return ` run: ${shown}${shown.length < command.trim().length ? ' …' : ''}\n`;
}
