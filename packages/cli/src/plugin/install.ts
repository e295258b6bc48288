// `binnacle plugin install`: shows the requests of a plugin, asks for consent, installs and grants. The installed
// version is exactly the shown one.

import { resolve } from 'node:path';
import type { Binnacle } from '@binnacle/client';
import type { PluginGrantValue, PluginInfo, PluginPermission, PluginPreview, PluginState } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { ask, askYes, canAsk } from '../input/prompt.ts';
import { EXIT, Failure } from '../output/failure.ts';
import { printable, type Style, styleFor } from '../output/style.ts';
import { grantCommands, permissionLines, problemLines, stateOf } from './format.ts';

type Inheritance = 'all' | 'nothing';

interface AgreedInstall {
  readonly granted: Readonly<Record<string, PluginGrantValue>>;
  /** Undefined if there was nothing to ask. */
  readonly inherit: Inheritance | undefined;
}

/** Consent of the person; undefined if the install is refused. */
type Consent = AgreedInstall | undefined;

/**
 * Successful states. Includes a plugin that lacks settings: nothing is wrong with it, and settings cannot be given
 * before the install.
 */
const AS_IT_SHOULD: ReadonlySet<PluginState> = new Set(['running', 'off', 'unset']);

export async function installPlugin(folder: string, options: Options<'plugin install'>): Promise<number> {
  return await withClient(options, async (client) => {
    const path = resolve(folder);
    const preview = await client.plugins.preview(path);
    const style = styleFor(process.stderr);
    if (options.json !== true || options.yes !== true) process.stderr.write(previewText(preview, style));
    const consent = await agree(preview, options);
    if (consent === undefined) {
      process.stderr.write('Nothing was installed.\n');
      return EXIT.failed;
    }
    const info = await carryOut(client, path, preview, consent);
    if (options.json === true) process.stdout.write(`${JSON.stringify(info)}\n`);
    else process.stderr.write(doneText(info, style));
    return AS_IT_SHOULD.has(info.state) ? EXIT.ok : EXIT.failed;
  });
}

/** Asks for consent. Throws if no person can be asked and no option decides. */
export async function agree(preview: PluginPreview, options: Options<'plugin install'>): Promise<Consent> {
  const inherit = await inheritance(preview, options);
  if (inherit === 'neither') return undefined;
  const isFresh = inherit === 'nothing';
  const open = preview.permissions.filter(({ asked: requested, missing }) => (isFresh ? requested : missing) !== false);
  const permissions = options.grant === false ? [] : open;
  const chosen = await grants(permissions, options);
  if (chosen === undefined) return undefined;
  const values = chosen.map(({ permission, asked: requested, both }) => [permission, isFresh ? requested : both]);
  return { granted: Object.fromEntries(values), inherit };
}

async function grants(
  permissions: readonly PluginPermission[],
  options: Options<'plugin install'>,
): Promise<readonly PluginPermission[] | undefined> {
  if (options.yes === true) return permissions;
  if (!canAsk()) {
    throw new Failure(
      EXIT.usage,
      'An installation must be confirmed, and there is no terminal.',
      'Pass --yes to install and grant what the plugin asks for, or --yes --no-grant to install only.',
    );
  }
  if (permissions.length === 0) return (await askYes('Install it?', '')) ? [] : undefined;
  const answer = await ask('Install it, and grant these? y: yes, N: no, c: choose [y/N/c] ');
  if (/^y(es)?$/.test(answer)) return permissions;
  return /^c(hoose)?$/.test(answer) ? await choose(permissions) : undefined;
}

/**
 * Decides the inheritance. `neither`: the person refuses the install. --yes is no answer: it is given without knowledge
 * of the earlier plugin.
 */
async function inheritance(
  { inherits }: PluginPreview,
  options: Options<'plugin install'>,
): Promise<Inheritance | 'neither' | undefined> {
  if (inherits === null || options.inherit !== undefined) return options.inherit;
  if (options.yes === true || !canAsk()) {
    throw new Failure(
      EXIT.usage,
      'The plugin comes from another folder than the installed plugin with its id.',
      'If it is the same plugin, pass --inherit all; else pass --inherit nothing.',
    );
  }
  const answer = await ask(
    'Let it inherit that? y: yes, it is the same plugin, n: no, start without, A: do not install [y/n/A] ',
  );
  if (/^y(es)?$/.test(answer)) return 'all';
  return /^no?$/.test(answer) ? 'nothing' : 'neither';
}

async function choose(permissions: readonly PluginPermission[]): Promise<readonly PluginPermission[] | undefined> {
  const chosen: PluginPermission[] = [];
  for (const one of permissions) {
    if (await askYes(`Grant ${printable(one.permission)}?`, '')) chosen.push(one);
  }
  return (await askYes(`Install it, and grant ${chosen.length} of ${permissions.length}?`, '')) ? chosen : undefined;
}

export async function carryOut(
  client: Binnacle,
  path: string,
  preview: PluginPreview,
  { granted, inherit }: AgreedInstall,
): Promise<PluginInfo> {
  return await client.plugins.install(path, preview.digest, granted, inherit);
}

function inheritedLines({ inherits }: PluginPreview, style: Style): string[] {
  if (inherits === null) return [];
  const { from, permissions, settings, values } = inherits;
  const where = from === null ? 'an unknown one' : printable(from);
  const got = [
    ...(permissions.length === 0 ? [] : [`the permissions ${permissions.map(printable).join(', ')}`]),
    ...(settings.length === 0 ? [] : [`the settings ${settings.map(printable).join(', ')}`]),
    ...(values === 0 ? [] : [`${values} stored value${values === 1 ? '' : 's'}`]),
  ];
  return [
    style.red(`The plugin comes from another folder than the installed one, which came from ${where}.`),
    `It would inherit: ${got.join('; ')}.`,
  ];
}

export function previewText(preview: PluginPreview, style: Style): string {
  const { id, name, version, description, permissions, replaces, widens, level, problem } = preview;
  const title = `${style.bold(printable(name))} ${printable(version)} (${printable(id)})`;
  const asks = permissions.some(({ asked: requested }) => requested !== false);
  const lines = [
    `${title}${level === null ? '' : `, ${level} here`}`,
    ...(description === '' ? [] : [`  ${printable(description)}`]),
    ...(replaces === null ? [] : [`  replaces ${printable(replaces)}`]),
    ...inheritedLines(preview, style),
    ...(asks
      ? [
          'The plugin asks for permissions. Once granted, it',
          ...permissionLines(permissions, replaces === null ? [] : widens, style),
        ]
      : []),
    ...(asks ? [] : ['The plugin asks for no permission.']),
    ...(problem === null ? [] : problemLines(problem).map((line) => style.red(line))),
  ];
  return `${lines.join('\n')}\n`;
}

export function doneText(info: PluginInfo, style: Style): string {
  const lines = [
    `${printable(info.id)} ${printable(info.version)} is installed: ${stateOf(info, style)}${info.level === null ? '' : `, ${info.level}`}`,
    ...(info.problem === null ? [] : problemLines(info.problem)),
    ...grantCommands(info.id, info.permissions).map((command) => `  not granted: ${command}`),
  ];
  return `${lines.join('\n')}\n`;
}
