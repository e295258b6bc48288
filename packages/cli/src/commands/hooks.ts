// `binnacle hooks`: the agents' own hooks, which report the activity of an agent to its session. Needs no gateway.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { HOOKED_AGENTS, type HookedAgent, type HookFile, hookFileOf } from '@binnacle/server/agent-hooks';
import type { Options } from '../declarations/commands.ts';
import { askYes, canAsk } from '../input/prompt.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { printable, styleFor } from '../output/style.ts';

interface Change {
  readonly agent: HookedAgent;
  readonly file: HookFile;
  /** Old text; '' if there is no file. */
  readonly before: string;
  /** New text; undefined removes the file. */
  readonly after: string | undefined;
}

export async function installHooks(names: readonly string[], options: Options<'hooks install'>): Promise<number> {
  const agents = names.length > 0 ? agentsOf(names) : HOOKED_AGENTS.filter(isHere);
  if (agents.length === 0) {
    throw usage(`No agent was found here. Name one: ${HOOKED_AGENTS.join(', ')}.`);
  }
  return await apply(agents, options, (file, text) => file.install(text));
}

export async function uninstallHooks(names: readonly string[], options: Options<'hooks install'>): Promise<number> {
  const agents = names.length > 0 ? agentsOf(names) : HOOKED_AGENTS;
  return await apply(agents, options, (file, text) => (text === '' ? '' : file.uninstall(text)));
}

export function hooksStatus(options: Options<'hooks status'>): number {
  const rows = HOOKED_AGENTS.map((agent) => {
    const [user, project] = [true, false].map((isUser) => {
      const file = fileOf(agent, isUser);
      return file === undefined ? 'impossible' : stateOf(file);
    });
    return { agent, found: isHere(agent), user, project };
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else {
    const style = styleFor(process.stdout);
    for (const { agent, found, user, project } of rows) {
      const where = `user: ${user}, this project: ${project}`;
      const isOn = user === 'installed' || project === 'installed';
      const note = found ? '' : style.dim('  (not found on this machine)');
      process.stdout.write(`${agent.padEnd(9)} ${isOn ? style.green(where) : where}${note}\n`);
    }
  }
  return EXIT.ok;
}

function agentsOf(names: readonly string[]): HookedAgent[] {
  return names.map((name) => {
    const agent = HOOKED_AGENTS.find((one) => one === name);
    if (agent === undefined) throw usage(`There are no hooks for "${name}". There are: ${HOOKED_AGENTS.join(', ')}.`);
    return agent;
  });
}

const fileOf = (agent: HookedAgent, isUser: boolean): HookFile | undefined =>
  hookFileOf(agent, isUser, { home: process.env.HOME ?? homedir(), project: process.cwd(), env: process.env });

/** Returns true for an agent whose program is on the PATH, or that has settings. */
function isHere(agent: HookedAgent): boolean {
  const file = fileOf(agent, true);
  if (file !== undefined && existsSync(agent === 'opencode' ? dirname(dirname(file.path)) : dirname(file.path))) {
    return true;
  }
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, agent), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function stateOf(file: HookFile): 'installed' | 'none' | 'outdated' | 'unreadable' {
  try {
    const text = read(file);
    if (text !== '' && file.install(text) === text) return 'installed';
    return text.includes('BINNACLE_HOOK') ? 'outdated' : 'none';
  } catch {
    return 'unreadable';
  }
}

function read({ path }: HookFile): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Applies the changes. Nothing is written before all changes are validated and a person at a terminal has agreed. */
async function apply(
  agents: readonly HookedAgent[],
  options: Options<'hooks install'>,
  edit: (file: HookFile, text: string) => string | undefined,
): Promise<number> {
  const changes: Change[] = [];
  let failed = 0;
  for (const agent of agents) {
    const file = fileOf(agent, options.project !== true);
    if (file === undefined) {
      process.stderr.write(`${agent}: reads its hooks from the settings of the user only; leave out --project.\n`);
      failed += 1;
      continue;
    }
    try {
      const before = read(file);
      const after = edit(file, before);
      if (after === before) process.stderr.write(`${agent}: nothing to do in ${printable(file.path)}.\n`);
      else changes.push({ agent, file, before, after });
    } catch (error) {
      process.stderr.write(`${agent}: ${printable(error instanceof Error ? error.message : String(error))}\n`);
      failed += 1;
    }
  }
  for (const change of changes) (options.print === true ? process.stdout : process.stderr).write(differenceOf(change));
  if (options.print !== true && changes.length > 0) {
    if (options.yes !== true && canAsk() && !(await askYes('Write this?', 'Pass --yes to confirm.'))) {
      throw new Failure(EXIT.failed, 'Nothing was written.');
    }
    for (const change of changes) write(change);
    const files = changes.map(({ file }) => printable(file.path)).join(', ');
    process.stderr.write(`Written: ${files}. Restart the agents to apply it.\n`);
  }
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

/** Replaces the file atomically, at the target of links, with its old permissions. */
function write({ file: { path }, after }: Change): void {
  if (after === undefined) {
    rmSync(path, { force: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  const isThere = existsSync(path);
  const target = isThere ? realpathSync(path) : path;
  const aside = `${target}.${process.pid}.new`;
  try {
    writeFileSync(aside, after, { mode: isThere ? statSync(target).mode & 0o777 : 0o600, flag: 'wx' });
    renameSync(aside, target);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}

/** Formats the removed and the added lines, without the unchanged lines around them. */
function differenceOf({ file, before, after = '' }: Change): string {
  const style = styleFor(process.stderr);
  const old = before.split('\n');
  const next = after.split('\n');
  let head = 0;
  while (head < old.length && head < next.length && old[head] === next[head]) head += 1;
  let tail = 0;
  const least = Math.min(old.length, next.length) - head;
  while (tail < least && old[old.length - 1 - tail] === next[next.length - 1 - tail]) tail += 1;
  const lines = [
    style.bold(printable(file.path)),
    ...old.slice(head, old.length - tail).map((line) => style.red(`- ${printable(line)}`)),
    ...next.slice(head, next.length - tail).map((line) => style.green(`+ ${printable(line)}`)),
  ];
  return `${lines.join('\n')}\n`;
}
