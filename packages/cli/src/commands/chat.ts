// `binnacle chat`: finds the conversation and talks in it: interactively, or with a single message.

import type { Binnacle } from '@binnacle/client';
import { type ConversationInfo, defined, isConversationKey } from '@binnacle/protocol';
import { once } from '../chat/single-message.ts';
import { harmless } from '../chat/text.ts';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { formatDuration, parseCount, parseTimeout } from '../input/quantities.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { type Style, styleFor, table, widthOf } from '../output/style.ts';

/** Name of the conversation if none is given. */
const DEFAULT_NAME = 'main';
/** Maximum conversations in a list whose last run is fetched. */
const MAX_END_QUERIES = 50;
/** Maximum bytes of stdin as a message; the gateway reports its own, lower limit. */
const MAX_STDIN_BYTES = 16 * 1024 * 1024;

export async function chat(key: string | undefined, options: Options<'chat'>): Promise<number> {
  const named = [key, options.name, options.new === true ? '' : undefined].filter((one) => one !== undefined);
  if (named.length > 1) throw usage('Name one conversation: by its key, with --name or with --new.');
  if (key !== undefined && options.agent !== undefined) throw usage('The key of a conversation names its agent.');
  const history = parseCount(options.history, '--history', 0, 1000);
  const { steer } = options;
  const timeoutMs = options.timeout === undefined ? undefined : parseTimeout(options.timeout);
  if (options.list === true) return await list(options);
  const isScript =
    options.message !== undefined || options.json === true || !process.stdout.isTTY || !process.stdin.isTTY;
  const text = isScript ? (options.message ?? (await readStdin())) : '';
  if (isScript && text.trim() === '') throw usage('There is no message.', 'Pass the message with -m, or on stdin.');
  return await withClient(options, async (client) => {
    const info = await open(client, key, options);
    if (isScript)
      return await once(client.conversation(info.key), text, { steer, timeoutMs, json: options.json === true });
    return await (await import('../chat/interactive.ts')).talk(client, info, {
      steer,
      timeoutMs,
      history,
      data: options.data,
    });
  });
}

async function open(client: Binnacle, key: string | undefined, options: Options<'chat'>): Promise<ConversationInfo> {
  if (key !== undefined) return await find(client, key);
  return await client.conversations.create({
    ...defined({ agent: options.agent }),
    ...(options.new === true ? {} : { name: options.name ?? DEFAULT_NAME }),
  });
}

/** Finds a conversation by its key, or by a unique suffix of its key. */
export async function find(client: Binnacle, keyOrName: string): Promise<ConversationInfo> {
  if (isConversationKey(keyOrName)) return await client.conversations.get(keyOrName);
  const found = (await client.conversations.all()).filter(({ key }) => key.endsWith(`:${keyOrName}`));
  const [only, ...others] = found;
  if (only === undefined) {
    throw new Failure(
      EXIT.noSession,
      `There is no conversation "${keyOrName}".`,
      'List conversations with: binnacle chat --list',
    );
  }
  if (others.length === 0) return only;
  throw usage(
    `"${keyOrName}" matches ${found.length} conversations.`,
    `Use one of: ${found.map(({ key: one }) => one).join(', ')}`,
  );
}

async function list(options: Options<'chat'>): Promise<number> {
  const { conversations, failed } = await withClient(options, async (client) => {
    const all = await client.conversations.all();
    return { conversations: all, failed: options.json === true ? new Set<string>() : await failedAmong(client, all) };
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify({ conversations })}\n`);
  else if (conversations.length > 0) {
    process.stdout.write(conversationTable(conversations, Date.now(), styleFor(process.stdout), failed));
  } else process.stderr.write('No conversations. Start one with: binnacle chat\n');
  return EXIT.ok;
}

/** Returns the keys of conversations whose last run failed. Only for the latest ones: the list lacks that state. */
async function failedAmong(client: Binnacle, all: readonly ConversationInfo[]): Promise<ReadonlySet<string>> {
  const idle = all.filter(({ run }) => run === null).slice(0, MAX_END_QUERIES);
  const queries = idle.map(async ({ key }) => {
    const { messages } = await client.conversation(key).history({ limit: 1 });
    return messages.at(-1)?.ended === 'error' ? [key] : [];
  });
  // A conversation may be deleted meanwhile.
  const found = await Promise.all(queries.map((query) => query.catch(() => [])));
  return new Set(found.flat());
}

export function conversationTable(
  conversations: readonly ConversationInfo[],
  now: number,
  style: Style,
  failed: ReadonlySet<string> = new Set(),
): string {
  const head = ['KEY', 'STATE', 'AGE', 'TITLE'].map(style.dim);
  const rows = conversations.map((info) => [
    harmless(info.key),
    stateOf(info, failed.has(info.key), style),
    formatDuration(now - info.updatedAt),
    harmless(info.title),
  ]);
  return table([head, ...rows], widthOf(process.stdout));
}

function stateOf({ approvals, run }: ConversationInfo, isFailed: boolean, style: Style): string {
  if (approvals.length > 0) return style.yellow('asks');
  if (run !== null) return style.green('works');
  return isFailed ? style.red('failed') : style.dim('idle');
}

async function readStdin(): Promise<string> {
  if (process.stdin.isTTY) throw usage('There is no message.', 'Pass the message with -m, or on stdin.');
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_STDIN_BYTES) throw usage('The message is too long.', 'Put the text into a file.');
  }
  return Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '');
}
