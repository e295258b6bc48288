// The tree of commands and their options. Loads a command only when it is called, so that `serve` loads no client.

import { Command, type Help, Option } from 'commander';
import { DEFAULT_DETACH_KEYS } from './attach/detach-keys.ts';
import type { AttachOptions } from './commands/attach.ts';
import type { ConfigCheckOptions } from './commands/config.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { EmitOptions } from './commands/emit.ts';
import type { ExecOptions } from './commands/exec.ts';
import type { ExportOptions } from './commands/export.ts';
import type { ImportCommandOptions } from './commands/import.ts';
import type { LsOptions } from './commands/ls.ts';
import type { McpOptions } from './commands/mcp.ts';
import type { RouteExplainOptions } from './commands/route.ts';
import type { RunOptions } from './commands/run.ts';
import type { SearchCommandOptions } from './commands/search.ts';
import type { SendOptions } from './commands/send.ts';
import type { TailOptions } from './commands/tail.ts';
import type { ClientCommandOptions } from './gateway/connect.ts';
import { EXIT_HELP } from './output/failure.ts';
import { addPlugin } from './plugin/program.ts';
import { addShare, addToken } from './program/access.ts';
import { addAgents, addChat, addHooks } from './program/agents.ts';
import { clientCommand, collect } from './program/client-command.ts';
import { addServe } from './program/serve.ts';
import { VERSION } from './version.ts';

/** Builds the tree. `exit` receives the exit code of the command that ran. */
export function makeProgram(exit: (code: number) => void): Command {
  const program = new Command('binnacle')
    .description('Runs programs in real terminals, shows them live, and lets you steer them.')
    .version(VERSION)
    // Options after a command's name belong to the command, and options after the program of `run` to that program.
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ sortSubcommands: false, subcommandTerm: shortTerm })
    .addHelpText('after', EXIT_HELP);

  addServe(program, exit);

  clientCommand(program, 'run [command...]', 'start a program and attach this terminal to it')
    .passThroughOptions()
    .option('--pipe', 'run on pipes instead of a terminal: stdout and stderr stay apart')
    .option('--shell <text>', 'run shell text instead of a program with arguments')
    .option('--runs', 'start a bash that takes commands from others, see exec')
    .option('--name <name>', 'a name for the session')
    .option('--cwd <dir>', 'where to run it (default: here)')
    .option('--env <key=value>', 'add to its environment (may be repeated)', collect, [])
    .option('--label <key=value>', 'a label of the session, to filter by (may be repeated)', collect, [])
    .option('--no-attach', 'print the id and return')
    .option('--json', 'with --no-attach: print the session as JSON')
    .addOption(detachKeys())
    .addHelpText(
      'after',
      `\nDetach with ${DEFAULT_DETACH_KEYS}: the program goes on. Without a command: an interactive shell.`,
    )
    .action(async (command: string[], options: RunOptions) =>
      exit(await (await import('./commands/run.ts')).run(command, options)),
    );

  clientCommand(program, 'exec [session] [command...]', 'run a command in the shell of a session, and wait for its end')
    .option('--new', 'in a session that is made for it, here, and deleted afterwards')
    .option('--timeout <ms>', 'end it after so long: milliseconds, or 30s, 5m')
    .option('--detach', 'print the id of the run and return')
    .option('--take', 'take control from whoever has it, until the command has ended')
    .option('--json', 'one line of JSON for each event; with --detach: the run')
    .addHelpText(
      'after',
      `
The session is one that takes runs: binnacle run --runs. What a command changes (directory, variables) stays for the
next. One word behind -- is shell text, several are a program and its arguments. Ctrl-C ends the command, not the session.
It gets no input from here: on pipes it reads /dev/null, in a terminal what people type there.
For example: binnacle exec build -- 'cd src && make'`,
    )
    .action(async (session: string | undefined, command: string[], options: ExecOptions) =>
      exit(await (await import('./commands/exec.ts')).exec(session, command, options)),
    );

  addEmit(program, exit);

  clientCommand(program, 'attach <session>', 'watch and steer a session from this terminal')
    .option('--read-only', 'only watch')
    .option('--take', 'take control from whoever has it, and keep it (a shell that takes runs is shared otherwise)')
    .addOption(detachKeys())
    .action(async (session: string, options: AttachOptions) =>
      exit(await (await import('./commands/attach.ts')).attach(session, options)),
    );

  clientCommand(program, 'tail <session>', 'print what a session has written')
    .option('-f, --follow', 'go on until it has closed')
    .option('--since <offset>', 'begin at this offset of its output, in bytes')
    .option('-n, --bytes <n>', 'begin this many bytes before the end')
    .option('--raw', 'keep all escape sequences (default: colours only)')
    .action(async (session: string, options: TailOptions) =>
      exit(await (await import('./commands/tail.ts')).tail(session, options)),
    );

  clientCommand(program, 'search <words...>', 'find words in the output of all sessions, newest first')
    .option('--session <id>', 'only in this one: its id, or its name at the emitter')
    .option('--limit <n>', 'how many hits (default: 20)')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Words that must be there, "phrases in quotes", word* for beginnings; behind -- also -word for what must not be there.
Exit code 1 where nothing was found. To jump to a hit: binnacle tail SESSION --since OFFSET
For example: binnacle search 'connection refused'
             binnacle search -- error -warning`,
    )
    .action(async (terms: string[], options: SearchCommandOptions) =>
      exit(await (await import('./commands/search.ts')).search(terms, options)),
    );

  addRecordings(program, exit);

  clientCommand(program, 'ls', 'list sessions')
    .option('--running', 'only those that run')
    .option('--waiting', 'only those that wait for somebody')
    .option('--label <key=value>', 'only those with this label; a key alone: whatever its value')
    .option('--json', 'as JSON')
    .action(async (options: LsOptions) => exit(await (await import('./commands/ls.ts')).ls(options)));

  clientCommand(program, 'send <session> [text...]', 'type into a session')
    .option('--enter', 'press Enter behind it')
    .option('--stdin', 'send what comes on stdin, byte by byte as it is')
    .option('--json', 'print the receipt as JSON')
    .action(async (session: string, text: string[], options: SendOptions) =>
      exit(await (await import('./commands/send.ts')).send(session, text, options)),
    );

  clientCommand(program, 'signal <session> <signal>', 'send a signal to the job in front, e.g. INT').action(
    async (session: string, signal: string, options: ClientCommandOptions) =>
      exit(await (await import('./commands/signal.ts')).signal(session, signal, options)),
  );

  clientCommand(program, 'kill <session...>', 'end sessions and delete them with their output').action(
    async (sessions: string[], options: ClientCommandOptions) =>
      exit(await (await import('./commands/kill.ts')).kill(sessions, options)),
  );

  for (const [name, on, about] of [
    ['mute', true, 'do not notify me of sessions'],
    ['unmute', false, 'notify me of sessions again'],
  ] as const) {
    clientCommand(program, `${name} <session...>`, about)
      .addHelpText('after', '\nIn place of a session, the key of a conversation (agent:...). For you alone.')
      .action(async (sessions: string[], options: ClientCommandOptions) =>
        exit(await (await import('./commands/mute.ts')).mute(sessions, on, options)),
      );
  }

  addChat(program, exit);
  addAgents(program, exit);
  addConfig(program, exit);
  addHooks(program, exit);

  addRoute(program, exit);

  clientCommand(program, 'mcp', 'background shells for an agent: an MCP server on stdin and stdout')
    .option('--print-config', 'print how to tell agents of it, and return')
    .addHelpText(
      'after',
      `
Started by an agent, not by people: it passes messages on to the gateway, and goes on when that comes back.
The tools are as strong as the token: see binnacle token create --scope.`,
    )
    .action(async (options: McpOptions) => exit(await (await import('./commands/mcp.ts')).mcp(options)));

  addPlugin(program, { exit, clientCommand, collect });
  addShare(program, exit);
  addToken(program, exit);

  program
    .command('doctor')
    .description('look for what could keep it from working')
    .option('--data <dir>', 'the data directory (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)')
    .option('--rebuild-catalogue', 'make a damaged catalogue anew, of what can be read of it and of the logs')
    .option('--rebuild-index', 'make the index of search anew from the logs; looks for nothing')
    .option('--json', 'as JSON')
    .action(async (options: DoctorOptions) => exit(await (await import('./commands/doctor.ts')).doctor(options)));

  program
    .command('completion <shell>')
    .description('print a completion script for bash, zsh or fish')
    .addHelpText('after', '\nFor example: source <(binnacle completion bash)')
    .action(async (shell: string) => exit(await (await import('./commands/completion.ts')).completion(program, shell)));

  nameHelp(program, 'binnacle');
  return program;
}

/** Makes an error message name the help of the command in question. */
function nameHelp(command: Command, path: string): void {
  command.showHelpAfterError(`(${path} --help tells more)`);
  for (const inner of command.commands) nameHelp(inner, `${path} ${inner.name()}`);
}

function addEmit(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'emit [command...]', 'run a program here, and show it in a gateway that may be elsewhere')
    .passThroughOptions()
    .option('--session <id>', 'the id that others know this one run by, never used before (default: a new UUID)')
    .option(
      '--source <name>',
      'who emits (default: the name of the program); without a program, the name of the session',
    )
    .option('--label <key=value>', 'a label of the session (may be repeated)', collect, [])
    .option('--buffer <size>', 'what may wait for the gateway (default: 8MiB)')
    .option('--buffer-dir <dir>', 'keep that on disk: what is left goes out with the next emit of that directory')
    .option('--flush-ms <n>', 'how long to wait for the gateway when the program has ended', '5000')
    .addHelpText(
      'after',
      `
The program runs as ever: same output, same exit code, same pace, whether the gateway is there or not. It writes to
pipes, also where you have a terminal, so it may leave out colours or write later than you are used to; its stdin is
yours. Without a program, what comes on stdin is emitted and passed on: make 2>&1 | binnacle emit --source make
When nobody reads our output any more, the program goes on and is still emitted.
BINNACLE_URL and BINNACLE_TOKEN name the gateway; make the token with: binnacle token create NAME --scope ingest
An id of --session cannot be used again: for the next run, take another, such as job-$(date +%s).
For example: binnacle emit --label job=42 -- make -j4`,
    )
    .action(async (command: string[], options: EmitOptions) =>
      exit(await (await import('./commands/emit.ts')).emit(command, options)),
    );
}

function addRecordings(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'export [session]', 'write a session to a file that players and people can read')
    .option(
      '--cast [version]',
      'as an asciicast recording (default, but for conversations), version 3, or 2 for asciinema 2',
    )
    .option('--text', 'as plain text, without escape sequences')
    .option('--jsonl', 'as one line of JSON for each thing that happened, with its time')
    .option('--markdown', 'as Markdown: command, times, output, end (default for conversations)')
    .option(
      '-o, --output <file>',
      'the file (default: stdout); its ending says the form: .cast, .txt or .log, .jsonl, .md',
    )
    .option(
      '--input',
      'tell of input as well: who typed how much, and what only where a recording was imported with it',
    )
    .option('--idle-limit <seconds>', 'have players make longer pauses this long; the times stay as they were')
    .option('-f, --follow', 'go on until the session has closed; Ctrl-C ends it and keeps what has come')
    .option('--force', 'write over the file if it is there')
    .addHelpText(
      'after',
      `
Of a session that still runs: what there is so far. In place of a session, the key of a conversation (agent:...).
A file is there when it is whole, and not before.
For example: binnacle export build -o build.cast
             binnacle export build --cast 2 -o build.cast
             binnacle export build --text | less
             binnacle export agent:main:user:ada:main -o talk.md`,
    )
    .action(async (session: string | undefined, options: ExportOptions) =>
      exit(await (await import('./commands/export.ts')).exportSession(session, options)),
    );
  clientCommand(program, 'import <file>', 'make a session of an asciicast recording, version 1, 2 or 3')
    .option('--name <name>', 'a name for the session (default: the title of the recording, or its command)')
    .option('--input', 'keep what was typed in it, for all who may see the session')
    .option('--json', 'as JSON: the session, and what became of the events')
    .addHelpText(
      'after',
      `
Prints the id of the session, which can be watched, searched and exported like any other. - reads stdin.
For example: binnacle import demo.cast
             ssh host cat demo.cast | binnacle import - --name demo`,
    )
    .action(async (file: string, options: ImportCommandOptions) =>
      exit(await (await import('./commands/import.ts')).importRecording(file, options)),
    );
}

function addConfig(program: Command, exit: (code: number) => void): void {
  program
    .command('config')
    .description('the config file')
    .command('check')
    .argument('[file]', 'the file (default: config.jsonc in the data directory)')
    .description('say what is wrong with the config file')
    .option('--data <dir>', 'the data directory (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nNeeds no gateway. Exit code 1 where a gateway would refuse the file.')
    .action(async (file: string | undefined, options: ConfigCheckOptions) =>
      exit(await (await import('./commands/config.ts')).checkConfig(file, options)),
    );
}

function addRoute(program: Command, exit: (code: number) => void): void {
  const route = program.command('route').description('where messages of channels go');
  clientCommand(route, 'explain', 'say where a message would go, and why')
    .requiredOption('--channel <name>', 'the channel that it comes by')
    .option('--account <id>', 'our account there (default: default)')
    .option('--peer <kind:id>', 'who or which room it comes from, e.g. direct:ada, group:123')
    .option('--parent <kind:id>', 'of a thread: where it hangs')
    .option('--guild <id>', 'the guild')
    .option('--team <id>', 'the team')
    .option('--role <id>', 'a role of its sender (may be repeated)', collect, [])
    .option('--config <file>', 'by this config file, without a gateway (default: what the gateway has in force)')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nSends nothing. Exit code 1 where the message could not be routed.')
    .action(async (options: RouteExplainOptions) =>
      exit(await (await import('./commands/route.ts')).explainRoute(options)),
    );
}

const detachKeys = (): Option =>
  new Option('--detach-keys <keys>', 'keys that detach, e.g. "ctrl-p ctrl-q", or none').default(DEFAULT_DETACH_KEYS);

/** Formats the list of commands as names and arguments; the options are in the help of each command. */
function shortTerm(this: Help, command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? '…' : '');
    return argument.required ? ` <${name}>` : ` [${name}]`;
  });
  return command.name() + names.join('');
}
