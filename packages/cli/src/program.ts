// The commander tree of the declared commands. Loads a command only when it is called, so that `serve` loads no client.

import { Command, type Help, Option } from 'commander';
import type { CommandDeclaration, OptionDeclaration } from './declarations/command.ts';
import { COMMANDS, type CommandLoaders } from './declarations/commands.ts';
import { EXIT_HELP } from './output/failure.ts';
import { VERSION } from './version.ts';

const SESSION_HELP = 'id, unique beginning of an id, name, or id at the emitter';

type Load = () => Promise<(...args: never[]) => number | Promise<number>>;

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
  const loaders: Readonly<Record<string, Load | undefined>> = loadersOf(program);
  for (const [path, declaration] of Object.entries<CommandDeclaration>(COMMANDS)) {
    const command = addCommand(program, path.split(' '), declaration);
    const load = loaders[path];
    // The last of the values is the command itself.
    if (load !== undefined)
      command.action(async (...values) => exit(await (await load())(...(values.slice(0, -1) as never[]))));
  }
  nameHelp(program, 'binnacle');
  return program;
}

const loadersOf = (program: Command): CommandLoaders => ({
  serve: async () => (await import('./commands/serve.ts')).serve,
  run: async () => (await import('./commands/run.ts')).run,
  exec: async () => (await import('./commands/exec.ts')).exec,
  emit: async () => (await import('./commands/emit.ts')).emit,
  attach: async () => (await import('./commands/attach.ts')).attach,
  tail: async () => (await import('./commands/tail.ts')).tail,
  search: async () => (await import('./commands/search.ts')).search,
  export: async () => (await import('./commands/export.ts')).exportSession,
  import: async () => (await import('./commands/import.ts')).importRecording,
  ls: async () => (await import('./commands/ls.ts')).ls,
  send: async () => (await import('./commands/steer.ts')).send,
  signal: async () => (await import('./commands/steer.ts')).signal,
  kill: async () => (await import('./commands/steer.ts')).kill,
  mute: async () => (await import('./commands/mute.ts')).setMuted(true),
  unmute: async () => (await import('./commands/mute.ts')).setMuted(false),
  chat: async () => (await import('./commands/chat.ts')).chat,
  agents: async () => (await import('./commands/agents.ts')).agents,
  approve: async () => (await import('./commands/approve.ts')).approve,
  'config check': async () => (await import('./commands/config.ts')).checkConfig,
  'hooks install': async () => (await import('./commands/hooks.ts')).installHooks,
  'hooks uninstall': async () => (await import('./commands/hooks.ts')).uninstallHooks,
  'hooks status': async () => (await import('./commands/hooks.ts')).hooksStatus,
  'route explain': async () => (await import('./commands/route.ts')).explainRoute,
  mcp: async () => (await import('./commands/mcp.ts')).mcp,
  'plugin ls': async () => (await import('./plugin/ls.ts')).listPlugins,
  'plugin install': async () => (await import('./plugin/install.ts')).installPlugin,
  'plugin rm': async () => (await import('./plugin/state.ts')).removePlugin,
  'plugin logs': async () => (await import('./plugin/logs.ts')).pluginLogs,
  'plugin audit': async () => (await import('./plugin/logs.ts')).pluginAudit,
  'plugin restart': async () => (await import('./plugin/state.ts')).restartPlugin,
  'plugin enable': async () => (await import('./plugin/state.ts')).setEnabled(true),
  'plugin disable': async () => (await import('./plugin/state.ts')).setEnabled(false),
  'plugin grant': async () => (await import('./plugin/grants.ts')).grantPermission,
  'plugin revoke': async () => (await import('./plugin/grants.ts')).revokePermission,
  'plugin new': async () => (await import('./plugin/new.ts')).newPlugin,
  'plugin test': async () => (await import('./plugin/test.ts')).testPlugin,
  'plugin dev': async () => (await import('./plugin/dev.ts')).developPlugin,
  share: async () => (await import('./commands/share.ts')).share,
  'share ls': async () => (await import('./commands/share.ts')).listShares,
  'share rm': async () => (await import('./commands/share.ts')).revokeShares,
  'token create': async () => (await import('./commands/token.ts')).createToken,
  'token ls': async () => (await import('./commands/token.ts')).listTokens,
  'token revoke': async () => (await import('./commands/token.ts')).revokeToken,
  'token link': async () => (await import('./commands/token.ts')).loginLink,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  completion: async () => {
    const { completion } = await import('./commands/completion.ts');
    return (shell) => completion(program, shell);
  },
});

/** Adds a command below its group. */
function addCommand(program: Command, path: readonly string[], declaration: CommandDeclaration): Command {
  const { about, takes, argument, argumentDefault, alias, passThrough, help, ...options } = declaration;
  const group = path.slice(0, -1).reduce((at, name) => at.commands.find((one) => one.name() === name) ?? at, program);
  const command = group.command(path.at(-1) ?? '').description(about);
  for (const name of takes?.split(' ') ?? []) {
    command.argument(name, /session/.test(name) ? SESSION_HELP : argument, argumentDefault);
  }
  for (const [flags, option] of Object.entries(options)) command.addOption(toOption(flags, option));
  if (alias !== undefined) command.alias(alias);
  if (help !== undefined) command.addHelpText('after', help);
  return command.passThroughOptions(passThrough === true);
}

function toOption(flags: string, declaration: OptionDeclaration): Option {
  if (typeof declaration === 'string') return new Option(flags, declaration);
  const { about, choices, env, many, required } = declaration;
  const option = new Option(flags, about).default(declaration.default).makeOptionMandatory(required === true);
  if (choices !== undefined) option.choices(choices);
  if (env !== undefined) option.env(env);
  if (many === true) option.argParser((value, before: readonly string[]) => [...before, value]).default([]);
  return option;
}

/** Makes an error message name the help of the command in question. */
function nameHelp(command: Command, path: string): void {
  command.showHelpAfterError(`(${path} --help shows more)`);
  for (const inner of command.commands) nameHelp(inner, `${path} ${inner.name()}`);
}

/** Formats the list of commands as names and arguments; the options are in the help of each command. */
function shortTerm(this: Help, command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? '…' : '');
    return argument.required ? ` <${name}>` : ` [${name}]`;
  });
  return command.name() + names.join('');
}
