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
  addRun(program, exit);
  addEmit(program, exit);
  addOutput(program, exit);
  addRecordings(program, exit);
  addSteering(program, exit);
  addChat(program, exit);
  addAgents(program, exit);
  addConfig(program, exit);
  addHooks(program, exit);
  addRoute(program, exit);

  clientCommand(program, 'mcp', 'run an MCP server on stdin and stdout: background shells for an agent')
    .option('--print-config', 'print the settings for agents, and return')
    .addHelpText(
      'after',
      `
An agent starts this command, not a person. It passes messages on to the gateway, and reconnects when it is back.
The token limits what the tools can do: see binnacle token create --scope.`,
    )
    .action(async (options: McpOptions) => exit(await (await import('./commands/mcp.ts')).mcp(options)));

  addPlugin(program, { exit, clientCommand, collect });
  addShare(program, exit);
  addToken(program, exit);

  program
    .command('doctor')
    .description('check the installation for problems')
    .option('--data <dir>', 'the data directory (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)')
    .option('--rebuild-catalogue', 'rebuild a damaged catalogue from its readable parts and the logs')
    .option('--rebuild-index', 'rebuild the search index from the logs, without any check')
    .option('--json', 'print JSON')
    .action(async (options: DoctorOptions) => exit(await (await import('./commands/doctor.ts')).doctor(options)));

  program
    .command('completion <shell>')
    .description('print a completion script for bash, zsh or fish')
    .addHelpText('after', '\nFor example: source <(binnacle completion bash)')
    .action(async (shell: string) => exit(await (await import('./commands/completion.ts')).completion(program, shell)));

  nameHelp(program, 'binnacle');
  return program;
}

/** Adds the commands that start programs. */
function addRun(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'run [command...]', 'start a program and attach this terminal to it')
    .passThroughOptions()
    .option('--pipe', 'run on pipes instead of a terminal; stdout and stderr stay apart')
    .option('--shell <text>', 'run shell text instead of a program with arguments')
    .option('--runs', 'start a bash that accepts commands of binnacle exec')
    .option('--name <name>', 'a name for the session')
    .option('--cwd <dir>', 'the working directory (default: this one)')
    .option('--env <key=value>', 'add a variable to the environment (may be repeated)', collect, [])
    .option('--label <key=value>', 'a label of the session, to filter by (may be repeated)', collect, [])
    .option('--no-attach', 'print the id and return')
    .option('--json', 'with --no-attach, print the session as JSON')
    .addOption(detachKeys())
    .addHelpText(
      'after',
      `\nDetach with ${DEFAULT_DETACH_KEYS}; the program keeps running. Without a command, an interactive shell starts.`,
    )
    .action(async (command: string[], options: RunOptions) =>
      exit(await (await import('./commands/run.ts')).run(command, options)),
    );

  clientCommand(program, 'exec [session] [command...]', 'run a command in the shell of a session, and wait for its end')
    .option('--new', 'use a new session in this directory, and delete it afterwards')
    .option('--timeout <ms>', 'end the command after this time: milliseconds, or 30s, 5m')
    .option('--detach', 'print the id of the run and return')
    .option('--take', 'take control from its holder until the command has ended')
    .option('--json', 'print one line of JSON for each event; with --detach, the run')
    .addHelpText(
      'after',
      `
The session must accept runs: binnacle run --runs. What a command changes (directory, variables) stays for the
next. One word after -- is shell text; several are a program and its arguments. Ctrl-C ends the command, not the session.
The command gets no input from this terminal: on pipes it reads /dev/null, in a terminal what people type there.
For example: binnacle exec build -- 'cd src && make'`,
    )
    .action(async (session: string | undefined, command: string[], options: ExecOptions) =>
      exit(await (await import('./commands/exec.ts')).exec(session, command, options)),
    );
}

/** Adds the commands that read the output of sessions. */
function addOutput(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'attach <session>', 'watch and steer a session from this terminal')
    .option('--read-only', 'only watch')
    .option('--take', 'take control from its holder, and keep it (otherwise a shell that accepts runs is shared)')
    .addOption(detachKeys())
    .action(async (session: string, options: AttachOptions) =>
      exit(await (await import('./commands/attach.ts')).attach(session, options)),
    );

  clientCommand(program, 'tail <session>', 'print what a session has written')
    .option('-f, --follow', 'follow the output until the session has closed')
    .option('--since <offset>', 'start at this offset of the output, in bytes')
    .option('-n, --bytes <n>', 'start this many bytes before the end')
    .option('--raw', 'keep all escape sequences (default: colors only)')
    .action(async (session: string, options: TailOptions) =>
      exit(await (await import('./commands/tail.ts')).tail(session, options)),
    );

  clientCommand(program, 'search <words...>', 'find words in the output of all sessions, newest first')
    .option('--session <id>', 'search only this session: its id, or its id at the emitter')
    .option('--limit <n>', 'maximum number of hits (default: 20)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Use words, "phrases in quotes", word* for the beginning of a word; after --, also -word for a word that must not occur.
Exit code 1 if nothing was found. To jump to a hit: binnacle tail SESSION --since OFFSET
For example: binnacle search 'connection refused'
             binnacle search -- error -warning`,
    )
    .action(async (terms: string[], options: SearchCommandOptions) =>
      exit(await (await import('./commands/search.ts')).search(terms, options)),
    );
}

/** Adds the commands that list sessions, type into them and end them. */
function addSteering(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'ls', 'list sessions')
    .option('--running', 'list only running sessions')
    .option('--waiting', 'list only sessions that wait for someone')
    .option('--label <key=value>', 'list only sessions with this label; a key alone matches any value')
    .option('--json', 'print JSON')
    .action(async (options: LsOptions) => exit(await (await import('./commands/ls.ts')).ls(options)));

  clientCommand(program, 'send <session> [text...]', 'type into a session')
    .option('--enter', 'press Enter after the text')
    .option('--stdin', 'send stdin unchanged')
    .option('--json', 'print the receipt as JSON')
    .action(async (session: string, text: string[], options: SendOptions) =>
      exit(await (await import('./commands/send.ts')).send(session, text, options)),
    );

  clientCommand(program, 'signal <session> <signal>', 'send a signal to the foreground job, e.g. INT').action(
    async (session: string, signal: string, options: ClientCommandOptions) =>
      exit(await (await import('./commands/signal.ts')).signal(session, signal, options)),
  );

  clientCommand(program, 'kill <session...>', 'end sessions and delete them with their output').action(
    async (sessions: string[], options: ClientCommandOptions) =>
      exit(await (await import('./commands/kill.ts')).kill(sessions, options)),
  );

  for (const [name, on, about] of [
    ['mute', true, 'turn off notifications of sessions'],
    ['unmute', false, 'turn on notifications of sessions'],
  ] as const) {
    clientCommand(program, `${name} <session...>`, about)
      .addHelpText(
        'after',
        '\nA session can also be the key of a conversation (agent:...). Changes your notifications only.',
      )
      .action(async (sessions: string[], options: ClientCommandOptions) =>
        exit(await (await import('./commands/mute.ts')).mute(sessions, on, options)),
      );
  }
}

/** Makes an error message name the help of the command in question. */
function nameHelp(command: Command, path: string): void {
  command.showHelpAfterError(`(${path} --help shows more)`);
  for (const inner of command.commands) nameHelp(inner, `${path} ${inner.name()}`);
}

function addEmit(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'emit [command...]', 'run a program here, and show it in a local or remote gateway')
    .passThroughOptions()
    .option('--session <id>', 'the id of this run, never used before (default: a new UUID)')
    .option(
      '--source <name>',
      'the source (default: the name of the program); without a program, the name of the session',
    )
    .option('--label <key=value>', 'a label of the session (may be repeated)', collect, [])
    .option('--buffer <size>', 'maximum size of what waits for the gateway (default: 8MiB)')
    .option('--buffer-dir <dir>', 'keep the buffer on disk; the next emit with this directory sends the rest')
    .option('--flush-ms <n>', 'time to wait for the gateway after the program has ended', '5000')
    .addHelpText(
      'after',
      `
The program runs as without emit: same output, same exit code, same pace, with or without the gateway. It writes to
pipes, even if you have a terminal, so it may leave out colors or write later than usual. Its stdin is
yours. Without a program, stdin is emitted and passed on: make 2>&1 | binnacle emit --source make
If the reader of the output is gone, the program keeps running and is still emitted.
BINNACLE_URL and BINNACLE_TOKEN name the gateway; make the token with: binnacle token create NAME --scope ingest
An id of --session cannot be used again: for the next run, use another, such as job-$(date +%s).
For example: binnacle emit --label job=42 -- make -j4`,
    )
    .action(async (command: string[], options: EmitOptions) =>
      exit(await (await import('./commands/emit.ts')).emit(command, options)),
    );
}

function addRecordings(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'export [session]', 'export a session as a recording, text, JSON or Markdown')
    .option(
      '--cast [version]',
      'write an asciicast recording (default, except for conversations), version 3, or 2 for asciinema 2',
    )
    .option('--text', 'write plain text, without escape sequences')
    .option('--jsonl', 'write one line of JSON for each event, with its time')
    .option('--markdown', 'write Markdown: command, times, output, end (default for conversations)')
    .option(
      '-o, --output <file>',
      'the file (default: stdout); its extension selects the format: .cast, .txt or .log, .jsonl, .md',
    )
    .option('--input', 'include input: who typed how much; the text only if a recording was imported with it')
    .option(
      '--idle-limit <seconds>',
      'let players shorten longer pauses to this time; the recorded times do not change',
    )
    .option('-f, --follow', 'follow the session until it has closed; Ctrl-C ends the export and keeps its output')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      `
A running session is exported up to now. A session can also be the key of a conversation (agent:...).
The file appears when it is complete.
For example: binnacle export build -o build.cast
             binnacle export build --cast 2 -o build.cast
             binnacle export build --text | less
             binnacle export agent:main:user:ada:main -o talk.md`,
    )
    .action(async (session: string | undefined, options: ExportOptions) =>
      exit(await (await import('./commands/export.ts')).exportSession(session, options)),
    );
  clientCommand(program, 'import <file>', 'import an asciicast recording, version 1, 2 or 3, as a session')
    .option('--name <name>', 'a name for the session (default: the title of the recording, or its command)')
    .option('--input', 'keep the input of the recording, for everyone who may see the session')
    .option('--json', 'print JSON: the session, and the counts of its events')
    .addHelpText(
      'after',
      `
Prints the id of the session, which can be watched, searched and exported like any other. The file - is stdin.
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
    .description('check the config file')
    .command('check')
    .argument('[file]', 'the file (default: config.jsonc in the data directory)')
    .description('list the problems of the config file')
    .option('--data <dir>', 'the data directory (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nNeeds no gateway. Exit code 1 if a gateway would refuse the file.')
    .action(async (file: string | undefined, options: ConfigCheckOptions) =>
      exit(await (await import('./commands/config.ts')).checkConfig(file, options)),
    );
}

function addRoute(program: Command, exit: (code: number) => void): void {
  const route = program.command('route').description('explain the routes of messages from channels');
  clientCommand(route, 'explain', 'show where a message would go, and why')
    .requiredOption('--channel <name>', 'the channel of the message')
    .option('--account <id>', 'the account on the channel (default: default)')
    .option('--peer <kind:id>', 'the person or room that sent the message, e.g. direct:ada, group:123')
    .option('--parent <kind:id>', 'the parent of a thread')
    .option('--guild <id>', 'the guild')
    .option('--team <id>', 'the team')
    .option('--role <id>', 'a role of the sender (may be repeated)', collect, [])
    .option('--config <file>', 'use this config file, without a gateway (default: the config of the gateway)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nSends nothing. Exit code 1 if the message could not be routed.')
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
