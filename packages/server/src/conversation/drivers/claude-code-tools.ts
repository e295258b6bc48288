// The tools of Claude Code as tool calls, and what a person is asked before one is used. Knows no connection.

import type { ApprovalOption, ToolCall } from '@binnacle/protocol';
import type { CanUseTool } from './claude-code-messages.ts';

type Input = Readonly<Record<string, unknown>>;

const KINDS: Readonly<Record<string, ToolCall['kind']>> = {
  Bash: 'execute',
  Read: 'read',
  NotebookRead: 'read',
  Edit: 'edit',
  MultiEdit: 'edit',
  Write: 'edit',
  NotebookEdit: 'edit',
  Glob: 'search',
  Grep: 'search',
  WebSearch: 'search',
  WebFetch: 'fetch',
  Task: 'think',
  Agent: 'think',
};
/** What says most about a call, by name, the first that there is. */
const TELLING = ['command', 'file_path', 'notebook_path', 'path', 'pattern', 'url', 'query', 'description', 'skill'];
/** Of these the command is the title: everybody knows what it does. */
const BARE: ReadonlySet<string> = new Set(['Bash']);

export function callOf(id: string, name: string, input: unknown): ToolCall {
  const given = inputOf(input);
  const diffs = diffsOf(name, given);
  return {
    id,
    title: titleOf(name, given),
    kind: KINDS[name] ?? 'other',
    status: 'running',
    input: given,
    ...(diffs.length === 0 ? {} : { diffs }),
  };
}

const inputOf = (input: unknown): Input =>
  typeof input === 'object' && input !== null && !Array.isArray(input) ? (input as Input) : {};

function titleOf(name: string, input: Input): string {
  const telling = TELLING.map((key) => input[key]).find((value) => typeof value === 'string' && value !== '');
  if (typeof telling !== 'string') return name;
  return BARE.has(name) ? telling : `${name} ${telling}`;
}

function diffsOf(name: string, input: Input): { path: string; before: string | null; after: string }[] {
  const { file_path: path } = input;
  if (typeof path !== 'string') return [];
  // What was there before is not told.
  if (name === 'Write' && typeof input.content === 'string') return [{ path, before: null, after: input.content }];
  const edits = name === 'Edit' ? [input] : name === 'MultiEdit' && Array.isArray(input.edits) ? input.edits : [];
  return edits.flatMap((edit: unknown) => {
    const { old_string: before, new_string: after } = inputOf(edit);
    return typeof before === 'string' && typeof after === 'string' ? [{ path, before, after }] : [];
  });
}

/** The text of a result: a string, or blocks. */
export function resultText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return content === undefined ? '' : JSON.stringify(content);
  return content
    .map((block: unknown) =>
      typeof block === 'object' && block !== null && 'text' in block && typeof block.text === 'string'
        ? block.text
        : `[${inputOf(block).type ?? 'something'}]`,
    )
    .join('\n');
}

/** The list of things to do, which it keeps by a tool. */
export function planOf(name: string, input: unknown): object | undefined {
  const { todos } = inputOf(input);
  if (name !== 'TodoWrite' || !Array.isArray(todos)) return undefined;
  const entries = todos.flatMap((todo: unknown) => {
    const { content, status } = inputOf(todo);
    return typeof content === 'string' ? [{ content, ...(typeof status === 'string' ? { status } : {}) }] : [];
  });
  return { entries };
}

/** More suggestions than these are nothing to choose from. */
const MAX_SUGGESTIONS = 6;

export interface Permission {
  readonly title: string;
  readonly detail: string;
  /** Those with an index let it also do what the suggestion with that index says. */
  readonly options: readonly ApprovalOption[];
  readonly suggestions: readonly object[];
}

export function permissionOf(asked: CanUseTool): Permission {
  const { tool_name, input, description, blocked_path, decision_reason, permission_suggestions = [] } = asked;
  const { title, diffs = [] } = callOf('', tool_name, input);
  const suggestions = permission_suggestions.slice(0, MAX_SUGGESTIONS);
  const what = typeof input.command === 'string' ? input.command : JSON.stringify(input, null, 2);
  const changes = diffs.map(({ path, before, after }) =>
    [path, ...signed('-', before ?? ''), ...signed('+', after)].join('\n'),
  );
  const detail = [
    ...(changes.length > 0 ? changes : [what]),
    description === title ? undefined : description,
    blocked_path === undefined ? undefined : `outside of what is allowed: ${blocked_path}`,
    decision_reason,
  ].filter((part) => part !== undefined && part !== '');
  return {
    title,
    detail: detail.join('\n\n'),
    options: [
      { id: 'allow', kind: 'allow_once', label: 'Allow' },
      ...suggestions.map(
        (suggestion, i): ApprovalOption => ({ id: `allow-${i}`, kind: 'allow_always', label: labelOf(suggestion) }),
      ),
      { id: 'deny', kind: 'deny_once', label: 'Deny' },
    ],
    suggestions,
  };
}

const signed = (sign: string, text: string): string[] =>
  text === ''
    ? []
    : text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${sign} ${line}`);

/** Where the permission is kept. */
const PLACES: Readonly<Record<string, string>> = {
  session: 'in this conversation',
  localSettings: 'in this project, for you',
  projectSettings: 'in this project',
  userSettings: 'everywhere',
};

function labelOf(suggestion: Input): string {
  const { type, rules, directories, mode, destination } = suggestion;
  const where = typeof destination === 'string' ? (PLACES[destination] ?? destination) : 'from now on';
  if (type === 'addRules' && Array.isArray(rules)) {
    const named = rules.map((rule: unknown) => {
      const { toolName, ruleContent } = inputOf(rule);
      return typeof ruleContent === 'string' ? `${String(toolName)}(${ruleContent})` : String(toolName);
    });
    return `Allow ${named.join(', ')} ${where}`;
  }
  if (type === 'addDirectories' && Array.isArray(directories))
    return `Allow work in ${directories.join(', ')} ${where}`;
  if (type === 'setMode') return `Allow, and change to the mode ${String(mode)} ${where}`;
  return `Allow, and ${String(type)} ${where}`;
}
