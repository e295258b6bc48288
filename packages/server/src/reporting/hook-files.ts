// Hooks in the settings of agents: how Binnacle's hooks are added and removed. Works on texts: everything else in a
// file, including comments, stays unchanged.

import { applyEdits, type FormattingOptions, type JSONPath, modify, type Node, parseTree } from 'jsonc-parser';
import type { HookedAgent } from './agent-events.ts';

export interface HookFile {
  /** Path of the settings, in the home of the user or in the folder of a project. */
  readonly path: string;
  /**
   * Returns the text with the hooks; the same text if they are present. Throws an Error that states why the hooks
   * cannot be added.
   */
  install(text: string): string;
  /** Returns the text without the hooks; undefined: delete the file. */
  uninstall(text: string): string | undefined;
}

/** Text that identifies Binnacle's hooks. */
const MARK = '$BINNACLE_HOOK';

/**
 * Makes a command that does nothing outside of Binnacle's sessions (an empty variable), never fails, and prints
 * nothing.
 */
const commandOf = (agent: HookedAgent): string => `[ -z "${MARK}" ] || "${MARK}" ${agent} >/dev/null 2>&1 || true`;

const CLAUDE_EVENTS = [
  'UserPromptSubmit',
  'PermissionRequest',
  'PostToolUse',
  'Notification',
  'Stop',
  'SessionEnd',
] as const;
const GEMINI_EVENTS = ['BeforeAgent', 'AfterTool', 'Notification', 'AfterAgent', 'SessionEnd'] as const;

/**
 * Returns the settings file of an agent. `isUser`: of all projects, else of one. Undefined for an agent without such a
 * file.
 */
export function hookFileOf(
  agent: HookedAgent,
  isUser: boolean,
  places: { readonly home: string; readonly project: string; readonly env: NodeJS.ProcessEnv },
): HookFile | undefined {
  const { home, project, env } = places;
  const base = isUser ? home : project;
  switch (agent) {
    case 'claude':
      return settings(
        `${isUser ? (env.CLAUDE_CONFIG_DIR ?? `${home}/.claude`) : `${project}/.claude`}/settings.json`,
        agent,
        CLAUDE_EVENTS,
      );
    case 'qwen':
      return settings(`${base}/.qwen/settings.json`, agent, CLAUDE_EVENTS);
    case 'gemini':
      return settings(`${base}/.gemini/settings.json`, agent, GEMINI_EVENTS);
    case 'codex':
      // A project cannot set the programs that Codex runs.
      return isUser ? codex(`${env.CODEX_HOME ?? `${home}/.codex`}/config.toml`) : undefined;
    case 'opencode': {
      const config = `${env.XDG_CONFIG_HOME ?? `${home}/.config`}/opencode`;
      return openCode(`${isUser ? config : `${project}/.opencode`}/plugins/binnacle.js`);
    }
    default:
      return agent satisfies never;
  }
}

/** Settings in JSON with `hooks`: an event's list of groups, each with a list of hooks. */
function settings(path: string, agent: HookedAgent, events: readonly string[]): HookFile {
  const hook = { hooks: [{ type: 'command', command: commandOf(agent) }] };
  return {
    path,
    install: (text) => {
      let edited = text.trim() === '' ? '{}\n' : text;
      rootOf(edited, path);
      for (const event of events) {
        const ours = ownGroups(edited, path, event);
        const isThere = ours.length === 1 && ours[0]?.isCurrent(agent) === true;
        if (isThere) continue;
        edited = withoutGroups(edited, path, event);
        edited = change(edited, ['hooks', event, 0], hook, true);
      }
      return edited;
    },
    uninstall: (text) => {
      let edited = text;
      for (const event of eventsOf(text, path)) edited = withoutGroups(edited, path, event);
      return edited;
    },
  };
}

interface OwnGroup {
  readonly at: number;
  isCurrent(agent: HookedAgent): boolean;
}

function rootOf(text: string, path: string): Node {
  const errors: Parameters<typeof parseTree>[1] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  if (root === undefined || root.type !== 'object' || errors.length > 0) throw new Error(`${path} is no JSON object.`);
  return root;
}

const childOf = (node: Node | undefined, name: string): Node | undefined =>
  node?.children?.find((property) => property.children?.[0]?.value === name)?.children?.[1];

const eventsOf = (text: string, path: string): string[] =>
  childOf(rootOf(text, path), 'hooks')?.children?.map((property) => String(property.children?.[0]?.value)) ?? [];

/** Returns the groups whose only hook is Binnacle's. A group with a hook of the user belongs to the user. */
function ownGroups(text: string, path: string, event: string): OwnGroup[] {
  const groups = childOf(childOf(rootOf(text, path), 'hooks'), event)?.children ?? [];
  return groups.flatMap((group, at) => {
    const hooks = childOf(group, 'hooks')?.children ?? [];
    const commands = hooks.map((hook) => String(childOf(hook, 'command')?.value ?? ''));
    if (commands.length !== 1 || commands[0]?.includes(MARK) !== true) return [];
    return [{ at, isCurrent: (agent: HookedAgent) => commands[0] === commandOf(agent) }];
  });
}

function withoutGroups(text: string, path: string, event: string): string {
  const ours = ownGroups(text, path, event);
  if (ours.length === 0) return text;
  let edited = text;
  for (const { at } of ours.toReversed()) edited = change(edited, ['hooks', event, at], undefined);
  const left = childOf(childOf(rootOf(edited, path), 'hooks'), event)?.children?.length ?? 0;
  if (left === 0) edited = change(edited, ['hooks', event], undefined);
  if (childOf(rootOf(edited, path), 'hooks')?.children?.length === 0) edited = change(edited, ['hooks'], undefined);
  return edited;
}

function change(text: string, at: JSONPath, value: unknown, isArrayInsertion = false): string {
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  const formattingOptions: FormattingOptions = indent.startsWith('\t')
    ? { insertSpaces: false, tabSize: 1 }
    : { insertSpaces: true, tabSize: indent.length };
  return applyEdits(text, modify(text, at, value, { formattingOptions, isArrayInsertion }));
}

const CODEX_COMMENT = '# Tells Binnacle that a turn is over (binnacle hooks uninstall codex takes this away).';

function codex(path: string): HookFile {
  // Codex adds the event as the last argument.
  const script = `[ -z "${MARK}" ] || "${MARK}" codex "$1" >/dev/null 2>&1 || true`;
  const line = `notify = ["sh", "-c", ${JSON.stringify(script)}, "binnacle"]`;
  const without = (text: string): string =>
    text
      .split('\n')
      .filter((one) => one !== CODEX_COMMENT && !(/^\s*notify\s*=/.test(one) && one.includes('BINNACLE_HOOK')))
      .join('\n');
  return {
    path,
    install: (text) => {
      if (text.includes(`${CODEX_COMMENT}\n${line}\n`)) return text;
      const rest = without(text);
      if (/^\s*notify\s*=/m.test(topOf(rest))) {
        throw new Error(`${path} has a notify of its own, and Codex takes one; nothing was changed.`);
      }
      // Top-level keys must precede the first table.
      return `${CODEX_COMMENT}\n${line}\n${rest}`;
    },
    uninstall: (text) => without(text),
  };
}

const STRINGS_AND_COMMENTS = /"""(?:\\[\s\S]|[^\\])*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*/g;

/** Returns the part of a TOML file before its first table, without strings, comments and the rest of long values. */
function topOf(text: string): string {
  const top: string[] = [];
  let depth = 0;
  for (const line of text.replace(STRINGS_AND_COMMENTS, '').split('\n')) {
    // A bracket within a value of several lines begins no table.
    if (depth === 0 && /^\s*\[/.test(line)) break;
    if (depth === 0) top.push(line);
    for (const sign of line) depth += '[{'.includes(sign) ? 1 : ']}'.includes(sign) ? -1 : 0;
  }
  return top.join('\n');
}

const PLUGIN = `// Tells Binnacle what OpenCode does in a session of its own (binnacle hooks uninstall opencode takes this away).
import { spawn } from 'node:child_process';

const EVENTS = new Set([
  'session.status', 'session.idle', 'session.error', 'permission.asked', 'permission.replied', 'question.asked',
  'question.replied', 'question.rejected',
]);

export const Binnacle = async () => ({
  event: async ({ event }) => {
    const hook = process.env.BINNACLE_HOOK;
    if (!hook || !EVENTS.has(event.type)) return;
    try {
      const child = spawn(hook, ['opencode', JSON.stringify(event)], { stdio: 'ignore', detached: true });
      child.on('error', () => {});
      child.unref();
    } catch {
      // OpenCode goes on without hooks.
    }
  },
});
`;

function openCode(path: string): HookFile {
  return {
    path,
    install: (text) => {
      if (text !== '' && !text.includes('BINNACLE_HOOK')) throw new Error(`${path} is not ours; nothing was changed.`);
      return PLUGIN;
    },
    uninstall: (text) => (text.includes('BINNACLE_HOOK') ? undefined : text),
  };
}
