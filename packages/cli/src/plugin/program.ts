// The commands below `binnacle plugin` and their options. Loads each only when it is called.

import { type Command, Option } from 'commander';
import type { ClientCommandOptions } from '../gateway/connect.ts';
import type { PluginGrantOptions } from './grants.ts';
import type { PluginInstallOptions } from './install.ts';
import type { PluginAuditOptions, PluginLogOptions } from './logs.ts';
import type { PluginNewOptions } from './new.ts';
import type { PluginRemoveOptions } from './state.ts';
import type { PluginTestOptions } from './test.ts';

export interface PluginProgramParts {
  readonly exit: (code: number) => void;
  /** Creates a command that talks to a gateway. */
  clientCommand(parent: Command, nameAndArguments: string, description: string): Command;
  readonly collect: (value: string, before: readonly string[]) => readonly string[];
}

export function addPlugin(program: Command, parts: PluginProgramParts): void {
  const plugin = program
    .command('plugin')
    .description('install plugins, say what they may do, and write them')
    .addHelpText(
      'after',
      `
A plugin runs in a process of its own behind walls, and can do what the config file grants it, and nothing else.
For example: binnacle plugin new my-plugin && binnacle plugin dev my-plugin`,
    );
  addInstalled(plugin, parts);
  addGrants(plugin, parts);
  addAuthoring(plugin, parts);
}

function addInstalled(plugin: Command, { exit, clientCommand }: PluginProgramParts): void {
  clientCommand(plugin, 'ls [plugin]', 'list the plugins, or tell all about one')
    .alias('list')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Levels: sealed (no file but its own, no network, no other process), restricted (Node's permission flags alone), trusted
(as much as the gateway may). Behind the table stands what keeps an offer from being in force or was denied, with the
command that grants it; with a name, all that is not granted.`,
    )
    .action(async (id: string | undefined, options: ClientCommandOptions) =>
      exit(await (await import('./ls.ts')).listPlugins(id, options)),
    );
  clientCommand(plugin, 'install <dir>', 'install the plugin of a folder, once you have seen what it asks for')
    .option('-y, --yes', 'ask nothing: install it, and grant all that it asks for')
    .option('--no-grant', 'grant nothing')
    .addOption(
      new Option(
        '--inherit <what>',
        'of a plugin of its id from another folder: its permissions, settings, values',
      ).choices(['all', 'nothing']),
    )
    .option('--json', 'print the plugin as JSON')
    .addHelpText(
      'after',
      `
The folder is one of the machine of the gateway. It is copied: later changes of it change nothing until it is installed
again. What begins with a dot, *.d.ts, and packages that are not under "dependencies" stay behind; types of TypeScript
are taken away. None of its code runs before you agree. What you have granted for less than it asks for stays so. Where the
plugin of its id that is installed came from another folder, you are asked whether it gets what that one has.
Exit code 0 where it runs, is off, or needs settings first; 1 where it cannot run.
For example: binnacle plugin install ./my-plugin
             binnacle plugin install ./my-plugin --yes --no-grant`,
    )
    .action(async (dir: string, options: PluginInstallOptions) =>
      exit(await (await import('./install.ts')).installPlugin(dir, options)),
    );
  clientCommand(plugin, 'rm <plugin>', 'remove a plugin, with what it keeps and what it was granted')
    .alias('remove')
    .option('-y, --yes', 'ask nothing')
    .action(async (id: string, options: PluginRemoveOptions) =>
      exit(await (await import('./state.ts')).removePlugin(id, options)),
    );
  clientCommand(plugin, 'logs <plugin>', 'what a plugin printed, and what the gateway says of it')
    .option('-f, --follow', 'go on')
    .option('--json', 'one line of JSON for each')
    .action(async (id: string, options: PluginLogOptions) =>
      exit(await (await import('./logs.ts')).pluginLogs(id, options)),
    );
  clientCommand(plugin, 'audit <plugin>', 'what a plugin was allowed and denied, and what people did with it')
    .option('--limit <n>', 'how many, newest first (default: 100)')
    .option('--json', 'as JSON')
    .action(async (id: string, options: PluginAuditOptions) =>
      exit(await (await import('./logs.ts')).pluginAudit(id, options)),
    );
  clientCommand(plugin, 'restart <plugin>', 'end its process and start another, also of one that is disabled')
    .option('--json', 'print the plugin as JSON')
    .action(async (id: string, options: ClientCommandOptions) =>
      exit(await (await import('./state.ts')).restartPlugin(id, options)),
    );
  for (const name of ['enable', 'disable']) {
    clientCommand(plugin, `${name} <plugin>`, name === 'enable' ? 'have a plugin run' : 'have it run no longer')
      .option('--json', 'print the plugin as JSON')
      .action(async (id: string, options: ClientCommandOptions) =>
        exit(await (await import('./state.ts')).enablePlugin(id, name === 'enable', options)),
      );
  }
}

function addGrants(plugin: Command, { exit, clientCommand }: PluginProgramParts): void {
  clientCommand(plugin, 'grant <plugin> <permission> [items...]', 'let a plugin do something, in force at once')
    .option('-y, --yes', 'ask nothing, also without a limit, and for what it does not ask for')
    .option('--json', 'print the plugin as JSON')
    .addHelpText(
      'after',
      `
Items limit it, and are added to those that it has: programs, hosts, keys of the config file, names. Those that it has stay
also where all is granted, as far as that leaves them out: a private address, a key that has to be spelled.
For example: binnacle plugin grant my-plugin notify
             binnacle plugin grant my-plugin net api.example.com
             binnacle plugin grant my-plugin runCommandWithTimeout git rg`,
    )
    .action(async (id: string, permission: string, items: string[], options: PluginGrantOptions) =>
      exit(await (await import('./grants.ts')).grantPermission(id, permission, items, options)),
    );
  clientCommand(plugin, 'revoke <plugin> <permission> [items...]', 'take that back, whole or some of its items')
    .option('--json', 'print the plugin as JSON')
    .addHelpText('after', '\nFor example: binnacle plugin revoke my-plugin net api.example.com')
    .action(async (id: string, permission: string, items: string[], options: ClientCommandOptions) =>
      exit(await (await import('./grants.ts')).revokePermission(id, permission, items, options)),
    );
}

function addAuthoring(plugin: Command, { exit, clientCommand, collect }: PluginProgramParts): void {
  plugin
    .command('new')
    .argument('<dir>')
    .description('begin a plugin: a folder with one that works')
    .addOption(
      new Option('--kind <kind>', 'what it is to do')
        .choices(['tool', 'channel', 'notification', 'hook'])
        .default('tool'),
    )
    .option('--ts', 'in TypeScript')
    .addHelpText('after', '\nFor example: binnacle plugin new --ts --kind channel my-channel')
    .action(async (dir: string, options: PluginNewOptions) => exit((await import('./new.ts')).newPlugin(dir, options)));
  plugin
    .command('test')
    .argument('[dir]', 'its folder', '.')
    .description('load a plugin behind the walls that it would have, without a gateway')
    .option('--tool <name>', 'call this tool of it, and print the answer')
    .option('--hook <name>', 'tell this hook of it what --input says, and print the veto')
    .option('--command <name>', 'call this command of it; its arguments are --input \'"…"\'')
    .option('--job <name>', 'run this job of it')
    .option('--route <route>', 'send it a request, such as "GET /tides/dover?day=1"; --input has "headers" and "body"')
    .option('--input <json>', 'with this (default: {})')
    .option('--config <json>', 'its settings, as plugins.entries.ID.config would have them')
    .option(
      '--real <permission>',
      'really do what this allows: net or runCommandWithTimeout (may be repeated)',
      collect,
      [],
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
It is granted what its manifest asks for. What reaches beyond the test is not done, but for --real; what it stores is
gone afterwards. Exit code 1 where something is wrong: the manifest, a file, its start, an offer that is not asked for.
For example: binnacle plugin test . --tool now
             binnacle plugin test . --hook beforeInput --input '{"text": "rm -rf /"}'`,
    )
    .action(async (dir: string, options: PluginTestOptions) =>
      exit(await (await import('./test.ts')).testPlugin(dir, options)),
    );
  clientCommand(plugin, 'dev <dir>', 'have a plugin in the gateway while you write it')
    .option('-y, --yes', 'ask nothing: grant what it asks for, also when that becomes more')
    .option('--no-grant', 'grant nothing')
    .addOption(
      new Option(
        '--inherit <what>',
        'of a plugin of its id from another folder: its permissions, settings, values',
      ).choices(['all', 'nothing']),
    )
    .addHelpText(
      'after',
      `
Installs it, again after each change, and shows its log. Asks again when it asks for more. Ctrl-C ends it, and removes the
plugin if it was not there before.`,
    )
    .action(async (dir: string, options: PluginInstallOptions) =>
      exit(await (await import('./dev.ts')).developPlugin(dir, options)),
    );
}
