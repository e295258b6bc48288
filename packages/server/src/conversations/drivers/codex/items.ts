// Items of a Codex turn as tool calls: commands, changes of files, tools of MCP servers, searches.

import { defined, type ToolCall } from '@binnacle/protocol';
import { rowOf, withSchema } from '../agent-json.ts';
import { blockTexts } from '../tool-text.ts';
import {
  type CodexFileChange,
  CollabItem,
  type CommandAction,
  CommandItem,
  DynamicItem,
  FileItem,
  ImageItem,
  McpItem,
  SearchItem,
} from './messages.ts';

const STATUSES: Readonly<Record<string, ToolCall['status']>> = {
  inProgress: 'running',
  completed: 'done',
  failed: 'failed',
  declined: 'failed',
};
const statusOf = (status: string): ToolCall['status'] => STATUSES[status] ?? 'running';

const TOOLS: Readonly<Record<string, (item: unknown, isOver: boolean) => ToolCall | undefined>> = {
  commandExecution: withSchema(CommandItem, (item) => {
    const { id, command, cwd, status, commandActions = [], aggregatedOutput = '', exitCode } = item;
    const ended = exitCode === undefined || exitCode === 0 ? '' : `${separated(aggregatedOutput)}exit code ${exitCode}`;
    const output = aggregatedOutput + ended;
    return {
      id,
      ...commandHead(command, commandActions),
      status: statusOf(status),
      input: { command, ...defined({ cwd }) },
      ...(output === '' ? {} : { output }),
    };
  }),
  fileChange: withSchema(FileItem, ({ id, changes, status }) => ({
    id,
    title: `Edit ${changes.map(({ path }) => path).join(', ')}`,
    kind: fileKind(changes),
    status: statusOf(status),
    diffs: changes.map(diffOf),
  })),
  mcpToolCall: withSchema(McpItem, ({ id, server, tool, status, arguments: input, result, error }) => ({
    id,
    title: `${server}: ${tool}`,
    kind: 'other',
    status: statusOf(status),
    ...defined({ input }),
    ...outputOf(error?.message ?? textsOf(result?.content)),
  })),
  dynamicToolCall: withSchema(DynamicItem, ({ id, tool, status, arguments: input, contentItems }) => ({
    id,
    title: tool,
    kind: 'other',
    status: statusOf(status),
    ...defined({ input }),
    ...outputOf(textsOf(contentItems)),
  })),
  collabAgentToolCall: withSchema(CollabItem, ({ id, tool, status, prompt }) => ({
    id,
    title: `Agents: ${tool}`,
    kind: 'think',
    status: statusOf(status),
    ...(prompt === undefined ? {} : { input: { prompt } }),
  })),
  webSearch: withSchema(SearchItem, ({ id, query }, isOver) => ({
    id,
    title: query === '' ? 'Search the web' : `Search the web: ${query}`,
    kind: 'search',
    status: isOver ? 'done' : 'running',
  })),
  imageView: withSchema(ImageItem, ({ id, path }, isOver) => ({
    id,
    title: `Look at ${path}`,
    kind: 'read',
    status: isOver ? 'done' : 'running',
  })),
};

/** Returns the tool call of an item; undefined for other or invalid items. */
export const toolOf = (type: string, item: unknown, isOver: boolean): ToolCall | undefined =>
  rowOf(TOOLS, type)?.(item, isOver);

/**
 * Returns title and kind of a command. Codex reports the actual command where possible; the shell around it is left
 * out.
 */
export function commandHead(
  command: string,
  actions: readonly CommandAction[],
): { readonly title: string; readonly kind: ToolCall['kind'] } {
  const [only] = actions;
  const title = actions.length === 1 && only?.command !== undefined ? only.command : command;
  const kinds = new Set(actions.map(({ type }) => ACTIONS[type] ?? 'execute'));
  const [kind = 'execute'] = kinds;
  return { title, kind: kinds.size === 1 ? kind : 'execute' };
}

const ACTIONS: Readonly<Record<string, ToolCall['kind']>> = { read: 'read', listFiles: 'search', search: 'search' };

function fileKind(changes: readonly CodexFileChange[]): ToolCall['kind'] {
  if (changes.length > 0 && changes.every(({ kind }) => kind.type === 'delete')) return 'delete';
  return changes.length > 0 && changes.every(({ kind }) => kind.move_path !== undefined) ? 'move' : 'edit';
}

/** Returns the two sides of a change. Only the hunks of a changed file are known; they stand for the whole file. */
function diffOf({ path, kind, diff }: CodexFileChange): { path: string; before: string | null; after: string } {
  if (kind.type === 'add') return { path, before: null, after: diff };
  if (kind.type === 'delete') return { path, before: diff, after: '' };
  const before: string[] = [];
  const after: string[] = [];
  for (const line of diff.split('\n')) {
    const sign = line[0];
    const text = line.slice(1);
    if (line.startsWith('@@') || sign === '\\' || sign === undefined) continue;
    if (sign !== '+') before.push(text);
    if (sign !== '-') after.push(text);
  }
  const whole = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
  return { path: kind.move_path ?? path, before: whole(before), after: whole(after) };
}

const separated = (output: string): string => (output === '' || output.endsWith('\n') ? '' : '\n');
const outputOf = (output: string): { readonly output?: string } => (output === '' ? {} : { output });

const textsOf = (blocks: readonly unknown[] = []): string => blockTexts(blocks, (block) => JSON.stringify(block));
