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
    .description('install, grant and write plugins')
    .addHelpText(
      'after',
      `
A plugin runs in its own isolated process. It can do what the config file grants it, and nothing else.
For example: binnacle plugin new my-plugin && binnacle plugin dev my-plugin`,
    );
  addInstalled(plugin, parts);
  addGrants(plugin, parts);
  addAuthoring(plugin, parts);
}

function addInstalled(plugin: Command, { exit, clientCommand }: PluginProgramParts): void {
  clientCommand(plugin, 'ls [plugin]', 'list the plugins, or show one in full')
    .alias('list')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Levels: sealed (no file but its own, no network, no other process), restricted (Node's permission flags alone), trusted
(as much as the gateway may). Below the table are offers that are not in force and denied calls, with the
command that grants them; with a name, everything that is not granted.`,
    )
    .action(async (id: string | undefined, options: ClientCommandOptions) =>
      exit(await (await import('./ls.ts')).listPlugins(id, options)),
    );
  clientCommand(plugin, 'install <dir>', 'install the plugin of a folder, after you have seen what it asks for')
    .option('-y, --yes', 'do not ask: install the plugin, and grant all that it asks for')
    .option('--no-grant', 'grant nothing')
    .addOption(
      new Option(
        '--inherit <what>',
        'permissions, settings and values of an installed plugin with its id from another folder',
      ).choices(['all', 'nothing']),
    )
    .option('--json', 'print the plugin as JSON')
    .addHelpText(
      'after',
      `
The folder is on the machine of the gateway. It is copied: later changes have no effect until the plugin is installed
again. Names with a leading dot, *.d.ts, and packages that are not under "dependencies" are not copied; TypeScript types
are removed. None of its code runs before you agree. Narrower grants of yours stay as they are. If the
installed plugin with its id came from another folder, you are asked whether the new one inherits its data.
Exit code 0 if it runs, is off, or needs settings first; 1 if it cannot run.
For example: binnacle plugin install ./my-plugin
             binnacle plugin install ./my-plugin --yes --no-grant`,
    )
    .action(async (dir: string, options: PluginInstallOptions) =>
      exit(await (await import('./install.ts')).installPlugin(dir, options)),
    );
  clientCommand(plugin, 'rm <plugin>', 'remove a plugin with its stored values and permissions')
    .alias('remove')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: PluginRemoveOptions) =>
      exit(await (await import('./state.ts')).removePlugin(id, options)),
    );
  clientCommand(plugin, 'logs <plugin>', 'print the output of a plugin, and what the gateway reports of it')
    .option('-f, --follow', 'follow the log')
    .option('--json', 'print one line of JSON for each entry')
    .action(async (id: string, options: PluginLogOptions) =>
      exit(await (await import('./logs.ts')).pluginLogs(id, options)),
    );
  clientCommand(plugin, 'audit <plugin>', 'list what a plugin was allowed and denied, and what people did with it')
    .option('--limit <n>', 'the number of entries, newest first (default: 100)')
    .option('--json', 'print JSON')
    .action(async (id: string, options: PluginAuditOptions) =>
      exit(await (await import('./logs.ts')).pluginAudit(id, options)),
    );
  clientCommand(plugin, 'restart <plugin>', 'end the process of a plugin and start another, even if it is disabled')
    .option('--json', 'print the plugin as JSON')
    .action(async (id: string, options: ClientCommandOptions) =>
      exit(await (await import('./state.ts')).restartPlugin(id, options)),
    );
  for (const name of ['enable', 'disable']) {
    clientCommand(plugin, `${name} <plugin>`, name === 'enable' ? 'turn a plugin on' : 'turn a plugin off')
      .option('--json', 'print the plugin as JSON')
      .action(async (id: string, options: ClientCommandOptions) =>
        exit(await (await import('./state.ts')).enablePlugin(id, name === 'enable', options)),
      );
  }
}

function addGrants(plugin: Command, { exit, clientCommand }: PluginProgramParts): void {
  clientCommand(plugin, 'grant <plugin> <permission> [items...]', 'grant a permission to a plugin, in force at once')
    .option('-y, --yes', 'do not ask, even without a limit, or for what it does not ask for')
    .option('--json', 'print the plugin as JSON')
    .addHelpText(
      'after',
      `
Items limit the permission, and are added to its items: programs, hosts, keys of the config file, names. Its items stay
even if all is granted, as far as all does not include them: a private address, a key that must be named.
For example: binnacle plugin grant my-plugin notify
             binnacle plugin grant my-plugin net api.example.com
             binnacle plugin grant my-plugin runCommandWithTimeout git rg`,
    )
    .action(async (id: string, permission: string, items: string[], options: PluginGrantOptions) =>
      exit(await (await import('./grants.ts')).grantPermission(id, permission, items, options)),
    );
  clientCommand(plugin, 'revoke <plugin> <permission> [items...]', 'revoke a permission, or some of its items')
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
    .description('create a folder with a plugin that works')
    .addOption(
      new Option('--kind <kind>', 'the kind of plugin')
        .choices(['tool', 'channel', 'notification', 'hook'])
        .default('tool'),
    )
    .option('--ts', 'write TypeScript')
    .addHelpText('after', '\nFor example: binnacle plugin new --ts --kind channel my-channel')
    .action(async (dir: string, options: PluginNewOptions) => exit((await import('./new.ts')).newPlugin(dir, options)));
  plugin
    .command('test')
    .argument('[dir]', 'the folder of the plugin', '.')
    .description('load a plugin as isolated as in a gateway, without a gateway')
    .option('--tool <name>', 'call this tool, and print the answer')
    .option('--hook <name>', 'call this hook with --input, and print the veto')
    .option('--command <name>', 'call this command; its arguments are --input \'"…"\'')
    .option('--job <name>', 'run this job')
    .option(
      '--route <route>',
      'send the plugin a request, such as "GET /tides/dover?day=1"; --input has "headers" and "body"',
    )
    .option('--input <json>', 'the input (default: {})')
    .option('--config <json>', 'the settings, as in plugins.entries.ID.config')
    .option(
      '--real <permission>',
      'really do what this permission allows: net or runCommandWithTimeout (may be repeated)',
      collect,
      [],
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The plugin is granted what its manifest asks for. Without --real, nothing outside the test is changed; what it stores is
deleted afterwards. Exit code 1 if something is wrong: the manifest, a file, its start, an offer that is not asked for.
For example: binnacle plugin test . --tool now
             binnacle plugin test . --hook beforeInput --input '{"text": "rm -rf /"}'`,
    )
    .action(async (dir: string, options: PluginTestOptions) =>
      exit(await (await import('./test.ts')).testPlugin(dir, options)),
    );
  clientCommand(plugin, 'dev <dir>', 'run a plugin in the gateway while you write it')
    .option('-y, --yes', 'do not ask: grant what it asks for, even when it asks for more later')
    .option('--no-grant', 'grant nothing')
    .addOption(
      new Option(
        '--inherit <what>',
        'permissions, settings and values of an installed plugin with its id from another folder',
      ).choices(['all', 'nothing']),
    )
    .addHelpText(
      'after',
      `
Installs the plugin, again after each change, and shows its log. Asks again when it asks for more. Ctrl-C removes the
plugin if it was not there before.`,
    )
    .action(async (dir: string, options: PluginInstallOptions) =>
      exit(await (await import('./dev.ts')).developPlugin(dir, options)),
    );
}
