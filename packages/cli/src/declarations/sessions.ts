// Declarations of the commands that start, read, list and steer sessions.

import { type CommandTable, GATEWAY } from './command.ts';

/** The default of dtach, abduco and zmx. Programs rarely use this key, and pressing it by mistake does no harm. */
export const DEFAULT_DETACH_KEYS = 'ctrl-\\';
const DETACH_KEYS = { about: 'keys that detach, e.g. "ctrl-p ctrl-q", or none', default: DEFAULT_DETACH_KEYS } as const;
const MUTING = {
  takes: '<session...>',
  ...GATEWAY,
  help: '\nA session can also be the key of a conversation (agent:...). Changes your notifications only.',
} as const;

export const SESSIONS = {
  run: {
    about: 'start a program and attach this terminal to it',
    takes: '[command...]',
    ...GATEWAY,
    passThrough: true,
    '--pipe': 'run on pipes instead of a terminal; stdout and stderr stay apart',
    '--shell <text>': 'run shell text instead of a program with arguments',
    '--runs': 'start a bash that accepts commands of binnacle exec',
    '--name <name>': 'a name for the session',
    '--cwd <dir>': 'the working directory (default: this one)',
    '--env <key=value>': { about: 'add a variable to the environment (may be repeated)', many: true },
    '--label <key=value>': { about: 'a label of the session, to filter by (may be repeated)', many: true },
    '--no-attach': 'print the id and return',
    '--json': 'with --no-attach, print the session as JSON',
    '--detach-keys <keys>': DETACH_KEYS,
    help: `\nDetach with ${DEFAULT_DETACH_KEYS}; the program keeps running. Without a command, an interactive shell starts.`,
  },
  exec: {
    about: 'run a command in the shell of a session, and wait for its end',
    takes: '[session] [command...]',
    ...GATEWAY,
    '--new': 'use a new session in this directory, and delete it afterwards',
    '--timeout <ms>': 'end the command after this time: milliseconds, or 30s, 5m',
    '--detach': 'print the id of the run and return',
    '--take': 'take control from its holder until the command has ended',
    '--json': 'print one line of JSON for each event; with --detach, the run',
    help: `
The session must accept runs: binnacle run --runs. What a command changes (directory, variables) stays for the
next. One word after -- is shell text; several are a program and its arguments. Ctrl-C ends the command, not the session.
The command gets no input from this terminal: on pipes it reads /dev/null, in a terminal what people type there.
For example: binnacle exec build -- 'cd src && make'`,
  },
  emit: {
    about: 'run a program here, and show it in a local or remote gateway',
    takes: '[command...]',
    ...GATEWAY,
    passThrough: true,
    '--session <id>': 'the id of this run, never used before (default: a new UUID)',
    '--source <name>': 'the source (default: the name of the program); without a program, the name of the session',
    '--label <key=value>': { about: 'a label of the session (may be repeated)', many: true },
    '--buffer <size>': 'maximum size of what waits for the gateway (default: 8MiB)',
    '--buffer-dir <dir>': 'keep the buffer on disk; the next emit with this directory sends the rest',
    '--flush-ms <n>': { about: 'time to wait for the gateway after the program has ended', default: '5000' },
    help: `
The program runs as without emit: same output, same exit code, same pace, with or without the gateway. It writes to
pipes, even if you have a terminal, so it may leave out colors or write later than usual. Its stdin is
yours. Without a program, stdin is emitted and passed on: make 2>&1 | binnacle emit --source make
If the reader of the output is gone, the program keeps running and is still emitted.
BINNACLE_URL and BINNACLE_TOKEN name the gateway; make the token with: binnacle token create NAME --scope ingest
An id of --session cannot be used again: for the next run, use another, such as job-$(date +%s).
For example: binnacle emit --label job=42 -- make -j4`,
  },
  attach: {
    about: 'watch and steer a session from this terminal',
    takes: '<session>',
    ...GATEWAY,
    '--read-only': 'only watch',
    '--take': 'take control from its holder, and keep it (otherwise a shell that accepts runs is shared)',
    '--detach-keys <keys>': DETACH_KEYS,
  },
  tail: {
    about: 'print what a session has written',
    takes: '<session>',
    ...GATEWAY,
    '-f, --follow': 'follow the output until the session has closed',
    '--since <offset>': 'start at this offset of the output, in bytes',
    '-n, --bytes <n>': 'start this many bytes before the end',
    '--raw': 'keep all escape sequences (default: colors only)',
  },
  search: {
    about: 'find words in all conversations and in the output of all sessions, newest first',
    takes: '<words...>',
    ...GATEWAY,
    '--session <id>': 'search only this session: its id, or its id at the emitter',
    '--conversation <key>': 'search only this conversation',
    '--limit <n>': 'maximum number of hits, of each kind (default: 20)',
    '--json': 'print JSON',
    help: `
Use words, "phrases in quotes", word* for the beginning of a word; after --, also -word for a word that must not occur.
Exit code 1 if nothing was found. To jump to a hit: binnacle tail SESSION --since OFFSET, or binnacle chat KEY
For example: binnacle search 'connection refused'
             binnacle search -- error -warning`,
  },
  export: {
    about: 'export a session as a recording, text, JSON or Markdown',
    takes: '[session]',
    ...GATEWAY,
    '--cast [version]':
      'write an asciicast recording (default, except for conversations), version 3, or 2 for asciinema 2',
    '--text': 'write plain text, without escape sequences',
    '--jsonl': 'write one line of JSON for each event, with its time',
    '--markdown': 'write Markdown: command, times, output, end (default for conversations)',
    '-o, --output <file>':
      'the file (default: stdout); its extension selects the format: .cast, .txt or .log, .jsonl, .md',
    '--input': 'include input: who typed how much; the text only if a recording was imported with it',
    '--idle-limit <seconds>': 'let players shorten longer pauses to this time; the recorded times do not change',
    '-f, --follow': 'follow the session until it has closed; Ctrl-C ends the export and keeps its output',
    '--force': 'overwrite an existing file',
    help: `
A running session is exported up to now. A session can also be the key of a conversation (agent:...).
The file appears when it is complete.
For example: binnacle export build -o build.cast
             binnacle export build --cast 2 -o build.cast
             binnacle export build --text | less
             binnacle export agent:main:user:ada:main -o talk.md`,
  },
  import: {
    about: 'import an asciicast recording, version 1, 2 or 3, as a session',
    takes: '<file>',
    ...GATEWAY,
    '--name <name>': 'a name for the session (default: the title of the recording, or its command)',
    '--input': 'keep the input of the recording, for everyone who may see the session',
    '--json': 'print JSON: the session, and the counts of its events',
    help: `
Prints the id of the session, which can be watched, searched and exported like any other. The file - is stdin.
For example: binnacle import demo.cast
             ssh host cat demo.cast | binnacle import - --name demo`,
  },
  ls: {
    about: 'list sessions',
    ...GATEWAY,
    '--running': 'list only running sessions',
    '--waiting': 'list only sessions that wait for someone',
    '--label <key=value>': 'list only sessions with this label; a key alone matches any value',
    '--json': 'print JSON',
  },
  send: {
    about: 'type into a session',
    takes: '<session> [text...]',
    ...GATEWAY,
    '--enter': 'press Enter after the text',
    '--stdin': 'send stdin unchanged',
    '--take': 'take control from its holder until it is sent',
    '--json': 'print the receipt as JSON',
  },
  signal: {
    about: 'send a signal to the foreground job, e.g. INT',
    takes: '<session> <signal>',
    ...GATEWAY,
    '--take': 'take control from its holder until it is sent',
  },
  kill: {
    about: 'end sessions and delete them with their output',
    takes: '<session...>',
    ...GATEWAY,
  },
  mute: {
    about: 'turn off notifications of sessions',
    ...MUTING,
  },
  unmute: {
    about: 'turn on notifications of sessions',
    ...MUTING,
  },
} as const satisfies CommandTable;
