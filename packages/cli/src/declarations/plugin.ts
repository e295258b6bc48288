// Declarations of the commands below `binnacle plugin`.

import { type CommandTable, GATEWAY } from './command.ts';

const INHERIT = {
  about: 'permissions, settings and values of an installed plugin with its id from another folder',
  choices: ['all', 'nothing'],
} as const;

export const PLUGIN = {
  plugin: {
    about: 'install, grant and write plugins',
    help: `
A plugin runs in its own isolated process. It can do what the config file grants it, and nothing else.
For example: binnacle plugin new my-plugin && binnacle plugin dev my-plugin`,
  },
  'plugin ls': {
    about: 'list the plugins, or show one in full',
    takes: '[plugin]',
    ...GATEWAY,
    alias: 'list',
    '--json': 'print JSON',
    help: `
Levels: sealed (no file but its own, no network, no other process), restricted (Node's permission flags alone), trusted
(as much as the gateway may). Below the table are offers that are not in force and denied calls, with the
command that grants them; with a name, everything that is not granted.`,
  },
  'plugin install': {
    about: 'install the plugin of a folder, after you have seen what it asks for',
    takes: '<dir>',
    ...GATEWAY,
    '-y, --yes': 'do not ask: install the plugin, and grant all that it asks for',
    '--no-grant': 'grant nothing',
    '--inherit <what>': INHERIT,
    '--json': 'print the plugin as JSON',
    help: `
The folder is on the machine of the gateway. It is copied: later changes have no effect until the plugin is installed
again. Names with a leading dot, *.d.ts, and packages that are not under "dependencies" are not copied; TypeScript types
are removed. None of its code runs before you agree. Narrower grants of yours stay as they are. If the
installed plugin with its id came from another folder, you are asked whether the new one inherits its data.
Exit code 0 if it runs, is off, or needs settings first; 1 if it cannot run.
For example: binnacle plugin install ./my-plugin
             binnacle plugin install ./my-plugin --yes --no-grant`,
  },
  'plugin rm': {
    about: 'remove a plugin with its stored values and permissions',
    takes: '<plugin>',
    ...GATEWAY,
    alias: 'remove',
    '-y, --yes': 'do not ask',
  },
  'plugin logs': {
    about: 'print the output of a plugin, and what the gateway reports of it',
    takes: '<plugin>',
    ...GATEWAY,
    '-f, --follow': 'follow the log',
    '--json': 'print one line of JSON for each entry',
  },
  'plugin audit': {
    about: 'list what a plugin was allowed and denied, and what people did with it',
    takes: '<plugin>',
    ...GATEWAY,
    '--limit <n>': 'the number of entries, newest first (default: 100)',
    '--json': 'print JSON',
  },
  'plugin restart': {
    about: 'end the process of a plugin and start another, even if it is disabled',
    takes: '<plugin>',
    ...GATEWAY,
    '--json': 'print the plugin as JSON',
  },
  'plugin enable': {
    about: 'turn a plugin on',
    takes: '<plugin>',
    ...GATEWAY,
    '--json': 'print the plugin as JSON',
  },
  'plugin disable': {
    about: 'turn a plugin off',
    takes: '<plugin>',
    ...GATEWAY,
    '--json': 'print the plugin as JSON',
  },
  'plugin grant': {
    about: 'grant a permission to a plugin, in force at once',
    takes: '<plugin> <permission> [items...]',
    ...GATEWAY,
    '-y, --yes': 'do not ask, even without a limit, or for what it does not ask for',
    '--json': 'print the plugin as JSON',
    help: `
Items limit the permission, and are added to its items: programs, hosts, keys of the config file, names. Its items stay
even if all is granted, as far as all does not include them: a private address, a key that must be named.
For example: binnacle plugin grant my-plugin notify
             binnacle plugin grant my-plugin net api.example.com
             binnacle plugin grant my-plugin runCommandWithTimeout git rg`,
  },
  'plugin revoke': {
    about: 'revoke a permission, or some of its items',
    takes: '<plugin> <permission> [items...]',
    ...GATEWAY,
    '--json': 'print the plugin as JSON',
    help: '\nFor example: binnacle plugin revoke my-plugin net api.example.com',
  },
  'plugin new': {
    about: 'create a folder with a plugin that works',
    takes: '<dir>',
    '--kind <kind>': {
      about: 'the kind of plugin',
      choices: ['tool', 'channel', 'notification', 'hook'],
      default: 'tool',
    },
    '--ts': 'write TypeScript',
    help: '\nFor example: binnacle plugin new --ts --kind channel my-channel',
  },
  'plugin test': {
    about: 'load a plugin as isolated as in a gateway, without a gateway',
    takes: '[dir]',
    argument: 'the folder of the plugin',
    argumentDefault: '.',
    '--tool <name>': 'call this tool, and print the answer',
    '--hook <name>': 'call this hook with --input, and print the veto',
    '--command <name>': 'call this command; its arguments are --input \'"…"\'',
    '--job <name>': 'run this job',
    '--route <route>': 'send the plugin a request, such as "GET /tides/dover?day=1"; --input has "headers" and "body"',
    '--input <json>': 'the input (default: {})',
    '--config <json>': 'the settings, as in plugins.entries.ID.config',
    '--real <permission>': {
      about: 'really do what this permission allows: net or runCommandWithTimeout (may be repeated)',
      many: true,
    },
    '--json': 'print JSON',
    help: `
The plugin is granted what its manifest asks for. Without --real, nothing outside the test is changed; what it stores is
deleted afterwards. Exit code 1 if something is wrong: the manifest, a file, its start, an offer that is not asked for.
For example: binnacle plugin test . --tool now
             binnacle plugin test . --hook beforeInput --input '{"text": "rm -rf /"}'`,
  },
  'plugin dev': {
    about: 'run a plugin in the gateway while you write it',
    takes: '<dir>',
    ...GATEWAY,
    '-y, --yes': 'do not ask: grant what it asks for, even when it asks for more later',
    '--no-grant': 'grant nothing',
    '--inherit <what>': INHERIT,
    help: `
Installs the plugin, again after each change, and shows its log. Asks again when it asks for more. Ctrl-C removes the
plugin if it was not there before.`,
  },
} as const satisfies CommandTable;
