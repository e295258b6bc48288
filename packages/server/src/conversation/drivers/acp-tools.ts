// Tool calls of ACP: what an update changes in what was known, and what a person is asked. Knows no connection.

import type { ToolCall } from '@binnacle/protocol';
import type { ContentBlock, ToolUpdate } from './acp-messages.ts';

/**
 * The tool calls of a turn are kept in the state of the link, which is written often: about so many characters of one
 * and of all. A call that is larger is told whole, but kept without what is too long.
 */
const MAX_KEPT_CHARS = 12_000;
const MAX_ALL_CHARS = 36_000;

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

/** The calls to keep, oldest first, with one that is new or another than it was. */
export function keepTool(kept: readonly ToolCall[], call: ToolCall): readonly ToolCall[] {
  const small = shortened(call);
  const isKnown = kept.some(({ id }) => id === call.id);
  const calls = isKnown ? kept.map((old) => (old.id === call.id ? small : old)) : [...kept, small];
  let chars = calls.reduce((sum, each) => sum + sizeOf(each), 0);
  // Those that have ended first: nothing more will come of them.
  const byNeed = [...calls].sort((a, b) => Number(isOver(b)) - Number(isOver(a)));
  const dropped = new Set<string>();
  for (const old of byNeed) {
    if (chars <= MAX_ALL_CHARS) break;
    if (old.id === call.id) continue;
    dropped.add(old.id);
    chars -= sizeOf(old);
  }
  return calls.filter(({ id }) => !dropped.has(id));
}

const isOver = ({ status }: ToolCall): boolean => status === 'done' || status === 'failed';
const sizeOf = (value: unknown): number => JSON.stringify(value)?.length ?? 0;

function shortened(call: ToolCall): ToolCall {
  if (sizeOf(call) <= MAX_KEPT_CHARS) return call;
  const { input, output, diffs, ...rest } = call;
  return {
    ...rest,
    title: rest.title.slice(0, 1000),
    ...(input === undefined || sizeOf(input) > MAX_KEPT_CHARS / 3 ? {} : { input }),
    ...(output === undefined ? {} : { output: cutText(output, MAX_KEPT_CHARS / 6) }),
    // Half a difference would be a wrong one.
    ...(diffs === undefined || sizeOf(diffs) > MAX_KEPT_CHARS / 3 ? {} : { diffs }),
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

/** What somebody must see to say yes: the command, the changes, or else the whole input. */
export function detailOf(call: ToolCall, paths: readonly string[]): string {
  const parts: string[] = [];
  const command = commandOf(call.input);
  if (command !== undefined) parts.push(command);
  for (const { path, before, after } of call.diffs ?? []) {
    parts.push([path, ...lines('- ', before ?? ''), ...lines('+ ', after)].join('\n'));
  }
  if (parts.length === 0 && call.input !== undefined) parts.push(JSON.stringify(call.input, null, 2));
  const named = paths.filter((path) => !parts.some((part) => part.includes(path)));
  return [...parts, ...named].join('\n\n') || call.title;
}

const lines = (sign: string, text: string): string[] =>
  text === ''
    ? []
    : text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => sign + line);

function commandOf(input: unknown): string | undefined {
  if (typeof input !== 'object' || input === null || !('command' in input)) return undefined;
  const { command } = input;
  if (typeof command === 'string') return command;
  return Array.isArray(command) ? command.join(' ') : undefined;
}

/** At most `max` UTF-16 units, never half a character. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  const end = last >= 0xd800 && last < 0xdc00 ? max - 1 : max;
  return `${text.slice(0, end)}…`;
}
