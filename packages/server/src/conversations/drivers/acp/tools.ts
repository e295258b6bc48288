// Tool calls of ACP: what an update changes in what was known, and what a person is asked. Knows no connection.

import type { ToolCall } from '@binnacle/protocol';
import { type Change, changeText, quoted } from '../tool-text.ts';
import type { ContentBlock, ToolUpdate } from './messages.ts';

const KINDS: Readonly<Record<string, ToolCall['kind']>> = {
  read: 'read',
  edit: 'edit',
  delete: 'delete',
  move: 'move',
  search: 'search',
  execute: 'execute',
  think: 'think',
  fetch: 'fetch',
};
const STATUSES: Readonly<Record<string, ToolCall['status']>> = {
  pending: 'pending',
  in_progress: 'running',
  completed: 'done',
  failed: 'failed',
};

/** What was known of a call, with what an update says. `sessionOf`: the session of a terminal, if it is one of ours. */
export function mergeTool(
  known: ToolCall | undefined,
  update: ToolUpdate,
  sessionOf: (terminal: string) => string | undefined,
): ToolCall {
  const texts: string[] = [];
  const diffs: { path: string; before: string | null; after: string }[] = [];
  let session = known?.session;
  for (const item of update.content ?? []) {
    if (item.type === 'content') texts.push(textOf(item.content));
    else if (item.type === 'diff') diffs.push({ path: item.path, before: item.oldText ?? null, after: item.newText });
    else session = sessionOf(item.terminalId) ?? session;
  }
  const input = update.rawInput ?? known?.input;
  const said = update.content === undefined ? known?.output : texts.join('\n');
  const output = said === undefined || said === '' ? (rawText(update.rawOutput) ?? said) : said;
  const shown = update.content === undefined ? known?.diffs : diffs;
  return {
    id: update.toolCallId,
    title: update.title ?? known?.title ?? 'tool',
    kind: (update.kind === undefined ? known?.kind : KINDS[update.kind]) ?? 'other',
    status: (update.status === undefined ? known?.status : STATUSES[update.status]) ?? 'pending',
    ...(input === undefined ? {} : { input }),
    ...(output === undefined || output === '' ? {} : { output }),
    ...(shown === undefined || shown.length === 0 ? {} : { diffs: shown }),
    ...(session === undefined ? {} : { session }),
  };
}

/** The text of a block for people. */
export function textOf(block: ContentBlock): string {
  if (block.text !== undefined) return block.text;
  if (block.resource?.text !== undefined) return block.resource.text;
  const uri = block.uri ?? block.resource?.uri;
  if (uri !== undefined) return `[${block.name ?? uri}](${uri})`;
  // Base64: three bytes in four characters.
  const bytes = Math.floor(((block.data?.length ?? 0) * 3) / 4);
  return `[${block.type}${block.mimeType === undefined ? '' : ` ${block.mimeType}`}, ${bytes} bytes]`;
}

function rawText(raw: unknown): string | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (typeof raw === 'string') return raw;
  if (typeof raw === 'object' && 'output' in raw && typeof raw.output === 'string') return raw.output;
  return JSON.stringify(raw);
}

/** UTF-16 units. */
const MAX_TITLE = 400;

/**
 * What somebody must see to say yes: the command with its arguments and where it runs, the changes, and everything else of
 * the input as JSON. Nothing is left out: what is asked for is what is shown.
 */
export function detailOf(call: ToolCall, paths: readonly string[]): string {
  const { input, diffs = [], output } = call;
  const parts: string[] = [];
  const { shown, rest } = commandOf(input, diffs);
  if (shown !== undefined) parts.push(shown);
  for (const diff of diffs) parts.push(changeText(diff));
  if (rest !== undefined) parts.push(JSON.stringify(rest, null, 2));
  // Some describe in words what they ask for.
  if (output !== undefined && output !== '') parts.push(output);
  // The heading has only the beginning of it.
  if (call.title.length > MAX_TITLE && !parts.includes(call.title)) parts.push(call.title);
  const told = new Set([...stringsIn(input), ...diffs.map(({ path }) => path)]);
  const named = [...new Set(paths)].filter((path) => !told.has(path));
  return [...parts, ...named].join('\n\n') || call.title;
}

interface ShownInput {
  /** The command as a shell would be given it. */
  readonly shown?: string;
  /** What of the input is not told by that, nor by the differences; undefined if that is nothing. */
  readonly rest?: unknown;
}

function commandOf(input: unknown, diffs: readonly Change[]): ShownInput {
  if (input === undefined || input === null) return {};
  if (typeof input !== 'object' || Array.isArray(input)) return { rest: input };
  const rest: Record<string, unknown> = { ...input };
  const { command, args, cwd } = rest;
  const words = isWords(command) && command.length > 0 ? command : undefined;
  const more = isWords(args) ? args : undefined;
  let shown: string | undefined;
  if (words !== undefined || (typeof command === 'string' && command !== '')) {
    // A command without arguments is a line for a shell, or a program: it is the same to read.
    const isLine = typeof command === 'string' && more === undefined;
    shown = isLine ? command : [...(words ?? [String(command)]), ...(more ?? [])].map(quoted).join(' ');
    delete rest.command;
    if (more !== undefined) delete rest.args;
    if (typeof cwd === 'string' && cwd !== '') {
      shown += `\n\nin ${cwd}`;
      delete rest.cwd;
    }
  }
  const told = new Set(diffs.flatMap(({ path, before, after }) => [path, before, after]));
  for (const [key, value] of Object.entries(rest)) {
    if (OF_DIFFS.test(key) && typeof value === 'string' && told.has(value)) delete rest[key];
  }
  const isNothing = Object.keys(rest).length === 0 && (shown !== undefined || diffs.length > 0);
  return { ...(shown === undefined ? {} : { shown }), ...(isNothing ? {} : { rest }) };
}

/** What agents call the two sides of a difference, and its file. */
const OF_DIFFS = /path|file|old|new|content|text/i;

const isWords = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((word) => typeof word === 'string');

/** On the first two levels: whatever is named there is on the screen. */
function stringsIn(input: unknown): string[] {
  if (typeof input !== 'object' || input === null) return [];
  return Object.values(input)
    .flat()
    .filter((value) => typeof value === 'string');
}
