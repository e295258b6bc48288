// The tools of Claude Code as tool calls, and the approval requests for them.

import type { ApprovalOption, ToolCall } from '@binnacle/protocol';
import { blockTexts, changeText, cutText, MAX_LABEL, paragraphs } from '../tool-text.ts';
import type { CanUseTool } from './messages.ts';

type ToolInput = Readonly<Record<string, unknown>>;

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
/** Names of the most informative input fields. The first that exists counts. */
const TELLING = ['command', 'file_path', 'notebook_path', 'path', 'pattern', 'url', 'query', 'description', 'skill'];
/** Tools whose command alone is the title, because everybody knows the tool. */
const BARE: ReadonlySet<string> = new Set(['Bash']);

export function callOf(id: string, name: string, input: unknown): ToolCall {
  const fields = inputOf(input);
  const diffs = diffsOf(name, fields);
  return {
    id,
    title: titleOf(name, fields),
    kind: KINDS[name] ?? 'other',
    status: 'running',
    input: fields,
    ...(diffs.length === 0 ? {} : { diffs }),
  };
}

const inputOf = (input: unknown): ToolInput =>
  typeof input === 'object' && input !== null && !Array.isArray(input) ? (input as ToolInput) : {};

function titleOf(name: string, input: ToolInput): string {
  const telling = TELLING.map((key) => input[key]).find((value) => typeof value === 'string' && value !== '');
  if (typeof telling !== 'string') return name;
  return BARE.has(name) ? telling : `${name} ${telling}`;
}

function diffsOf(name: string, input: ToolInput): { path: string; before: string | null; after: string }[] {
  const { file_path: path } = input;
  if (typeof path !== 'string') return [];
  // The previous content is unknown.
  if (name === 'Write' && typeof input.content === 'string') return [{ path, before: null, after: input.content }];
  const edits = name === 'Edit' ? [input] : name === 'MultiEdit' && Array.isArray(input.edits) ? input.edits : [];
  return edits.flatMap((edit: unknown) => {
    const { old_string: before, new_string: after } = inputOf(edit);
    return typeof before === 'string' && typeof after === 'string' ? [{ path, before, after }] : [];
  });
}

/** Returns the text of a result, which is a string or a list of blocks. */
export function resultText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return content === undefined ? '' : JSON.stringify(content);
  return blockTexts(content, (block) => `[${inputOf(block).type ?? 'something'}]`);
}

/** Returns the to-do list, which the agent maintains by a tool. */
export function planOf(name: string, input: unknown): object | undefined {
  const { todos } = inputOf(input);
  if (name !== 'TodoWrite' || !Array.isArray(todos)) return undefined;
  const entries = todos.flatMap((todo: unknown) => {
    const { content, status } = inputOf(todo);
    return typeof content === 'string' ? [{ content, ...(typeof status === 'string' ? { status } : {}) }] : [];
  });
  return { entries };
}

/** Maximum suggestions. More would be too many to choose from. */
const MAX_SUGGESTIONS = 6;
export interface ClaudePermission {
  readonly title: string;
  readonly detail: string;
  /** An option with an index also grants the suggestion with that index. */
  readonly options: readonly ApprovalOption[];
  readonly suggestions: readonly object[];
}

/**
 * Formats an approval request. The person sees exactly what is requested: the input with all its fields, as a command,
 * as changes, or as JSON.
 */
export function permissionOf(request: CanUseTool): ClaudePermission {
  const { tool_name, input, description, blocked_path, decision_reason, permission_suggestions = [] } = request;
  const { title, diffs = [] } = callOf('', tool_name, input);
  const suggestions = permission_suggestions
    .filter((one) => labelOf(one).length <= MAX_LABEL)
    .slice(0, MAX_SUGGESTIONS);
  const changes = diffs.map(changeText);
  const { command, ...besides } = input;
  const isCommand = typeof command === 'string' && command !== '';
  const rest = isCommand ? besides : restOf(tool_name, input, diffs.length);
  const detail = paragraphs(
    isCommand ? command : undefined,
    ...changes,
    Object.keys(rest).length === 0 && (isCommand || changes.length > 0) ? undefined : JSON.stringify(rest, null, 2),
    description === title || description === input.description ? undefined : description,
    blocked_path === undefined ? undefined : `outside of what is allowed: ${blocked_path}`,
    decision_reason,
  );
  return {
    title: cutText(title, MAX_LABEL),
    detail,
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

/** Returns the part of an input that the changes do not show. */
function restOf(tool: string, input: ToolInput, changes: number): ToolInput {
  if (changes === 0) return input;
  const { file_path, content, old_string, new_string, edits, ...rest } = input;
  if (tool === 'Write') return { ...rest, ...defined({ old_string, new_string, edits }) };
  if (tool === 'Edit') return { ...rest, ...defined({ content, edits }) };
  // The changes do not show an invalid edit, or an edit with further fields.
  const isShown =
    Array.isArray(edits) &&
    edits.length === changes &&
    edits.every((edit: unknown) => Object.keys(inputOf(edit)).every((key) => /^(old|new)_string$/.test(key)));
  return { ...rest, ...defined({ content, old_string, new_string, ...(isShown ? {} : { edits }) }) };
}

const defined = (fields: ToolInput): ToolInput =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** Scope of a permission, by its destination. */
const PLACES: Readonly<Record<string, string>> = {
  session: 'in this conversation',
  localSettings: 'in this project, for you',
  projectSettings: 'in this project',
  userSettings: 'everywhere',
};

function labelOf(suggestion: ToolInput): string {
  const { type, rules, directories, mode, destination, behavior } = suggestion;
  const where = typeof destination === 'string' ? (PLACES[destination] ?? destination) : 'from now on';
  if (type === 'addRules' && Array.isArray(rules) && (behavior ?? 'allow') === 'allow') {
    const named = rules.map((rule: unknown) => {
      const { toolName, ruleContent } = inputOf(rule);
      return typeof ruleContent === 'string' ? `${String(toolName)}(${ruleContent})` : String(toolName);
    });
    return `Allow ${named.join(', ')} ${where}`;
  }
  if (type === 'addDirectories' && Array.isArray(directories))
    return `Allow work in ${directories.join(', ')} ${where}`;
  if (type === 'setMode') return `Allow, and change to the mode ${String(mode)} ${where}`;
  return `Allow, and ${JSON.stringify(suggestion)}`;
}
