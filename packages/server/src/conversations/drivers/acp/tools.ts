// Tool calls of ACP: merges updates, and formats the detail of an approval request.

import { defined, shellWord, type ToolCall } from '@binnacle/protocol';
import { changeText, type FileDiff, MAX_LABEL } from '../tool-text.ts';
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

/** Merges an update into a known call. `sessionOf`: session of a terminal, if the gateway has that terminal. */
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
  const content = update.content === undefined ? known?.output : texts.join('\n');
  const output = content === undefined || content === '' ? (rawText(update.rawOutput) ?? content) : content;
  const shown = update.content === undefined ? known?.diffs : diffs;
  return {
    id: update.toolCallId,
    title: update.title ?? known?.title ?? 'tool',
    kind: (update.kind === undefined ? known?.kind : KINDS[update.kind]) ?? 'other',
    status: (update.status === undefined ? known?.status : STATUSES[update.status]) ?? 'pending',
    ...defined({ input }),
    ...(output === undefined || output === '' ? {} : { output }),
    ...(shown === undefined || shown.length === 0 ? {} : { diffs: shown }),
    ...defined({ session }),
  };
}

/** Returns the text of a block for people. */
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

/**
 * Returns all that a person must see to approve: the command with its arguments and its directory, the changes, and the
 * rest of the input as JSON. Nothing is left out: the person sees exactly what is requested.
 */
export function detailOf(call: ToolCall, paths: readonly string[]): string {
  const { input, diffs = [], output } = call;
  const parts: string[] = [];
  const { shown, rest } = commandOf(input, diffs);
  if (shown !== undefined) parts.push(shown);
  for (const diff of diffs) parts.push(changeText(diff));
  if (rest !== undefined) parts.push(JSON.stringify(rest, null, 2));
  // Some agents describe the request in words.
  if (output !== undefined && output !== '') parts.push(output);
  // The heading has only the beginning of the title.
  if (call.title.length > MAX_LABEL && !parts.includes(call.title)) parts.push(call.title);
  const shownTexts = new Set([...stringsIn(input), ...diffs.map(({ path }) => path)]);
  const named = [...new Set(paths)].filter((path) => !shownTexts.has(path));
  return [...parts, ...named].join('\n\n') || call.title;
}

interface ShownInput {
  /** The command in the syntax of a shell. */
  readonly shown?: string;
  /** Input that neither the command nor the diffs show; undefined if there is none. */
  readonly rest?: unknown;
}

function commandOf(input: unknown, diffs: readonly FileDiff[]): ShownInput {
  if (input === undefined || input === null) return {};
  if (typeof input !== 'object' || Array.isArray(input)) return { rest: input };
  const rest: Record<string, unknown> = { ...input };
  const { command, args, cwd } = rest;
  const argv = isTextList(command) && command.length > 0 ? command : undefined;
  const more = isTextList(args) ? args : undefined;
  let shown: string | undefined;
  if (argv !== undefined || (typeof command === 'string' && command !== '')) {
    // A command without arguments is a shell line or a program. Both read the same.
    const isLine = typeof command === 'string' && more === undefined;
    shown = isLine ? command : [...(argv ?? [String(command)]), ...(more ?? [])].map(shellWord).join(' ');
    delete rest.command;
    if (more !== undefined) delete rest.args;
    if (typeof cwd === 'string' && cwd !== '') {
      shown += `\n\nin ${cwd}`;
      delete rest.cwd;
    }
  }
  const shownTexts = new Set(diffs.flatMap(({ path, before, after }) => [path, before, after]));
  for (const [key, value] of Object.entries(rest)) {
    if (OF_DIFFS.test(key) && typeof value === 'string' && shownTexts.has(value)) delete rest[key];
  }
  const isNothing = Object.keys(rest).length === 0 && (shown !== undefined || diffs.length > 0);
  return { ...defined({ shown }), ...(isNothing ? {} : { rest }) };
}

/** Keys by which agents name the sides of a diff, and its file. */
const OF_DIFFS = /path|file|old|new|content|text/i;

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((word) => typeof word === 'string');

/** Returns the strings on the first two levels of an input. All of them are on the screen. */
function stringsIn(input: unknown): string[] {
  if (typeof input !== 'object' || input === null) return [];
  return Object.values(input)
    .flat()
    .filter((value) => typeof value === 'string');
}
