// `binnacle search`: finds words in conversations and in the output of all sessions, and shows the lines.

import {
  BinnacleError,
  defined,
  type MessageHit,
  type MessageSearchResult,
  type SearchHit,
  type SearchResult,
} from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { formatDuration } from '../input/quantities.ts';
import { EXIT, usage } from '../output/failure.ts';
import { printable, type Style, styleFor } from '../output/style.ts';

/** Maximum hits per page of the gateway. */
const MAX_PAGE = 50;
const MAX_HITS = 1000;
const DEFAULT_HITS = 20;

const NO_MESSAGES: MessageSearchResult = { hits: [], next: null, behind: 0 };
const NO_OUTPUT: SearchResult = { hits: [], next: null, behindBytes: 0 };

export async function search(terms: readonly string[], options: Options<'search'>): Promise<number> {
  const limit = limitOf(options.limit);
  const { session, conversation } = options;
  if (session !== undefined && conversation !== undefined)
    throw usage('Search one session or one conversation.', 'Leave out --session or --conversation.');
  const q = terms.join(' ');
  const found = await withClient(options, (client) =>
    Promise.allSettled([
      session !== undefined
        ? NO_MESSAGES
        : collect(limit, NO_MESSAGES, (page) =>
            client.searchMessages(q, { ...page, ...defined({ conversation }) }),
          ).catch(unlessOld),
      conversation !== undefined
        ? NO_OUTPUT
        : collect(limit, NO_OUTPUT, (page) => client.search(q, { ...page, ...defined({ session_id: session }) })),
    ]),
  );
  const messages = found[0].status === 'fulfilled' ? found[0].value : NO_MESSAGES;
  const output = found[1].status === 'fulfilled' ? found[1].value : NO_OUTPUT;
  const failed = found.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  if (options.json === true) {
    if (failed !== undefined) throw failed.reason;
    process.stdout.write(`${JSON.stringify({ ...output, messages })}\n`);
  } else {
    const style = styleFor(process.stdout);
    const texts = [messagesText(messages.hits, Date.now(), style), hitsText(output.hits, Date.now(), style)];
    process.stdout.write(texts.filter((text) => text !== '').join('\n'));
    // The hits of one search are shown although the other search has failed.
    if (failed !== undefined) throw failed.reason;
    if (texts.every((text) => text === '')) process.stderr.write('Nothing was found.\n');
    if (output.behindBytes > 0)
      process.stderr.write(`${output.behindBytes} bytes of output are not in the index yet.\n`);
    if (messages.behind > 0) process.stderr.write(`Up to ${messages.behind} messages are not in the index yet.\n`);
  }
  return output.hits.length + messages.hits.length === 0 ? EXIT.failed : EXIT.ok;
}

/** Returns no messages for a gateway of an older version, which has no such route. */
function unlessOld(error: unknown): MessageSearchResult {
  if (error instanceof BinnacleError && error.code === 'not_found') return NO_MESSAGES;
  throw error;
}

/** Fetches pages until there are `limit` hits or no more. */
async function collect<R extends { readonly hits: readonly unknown[]; readonly next: string | null }>(
  limit: number,
  none: R,
  fetchPage: (page: { readonly limit: number; readonly after?: string }) => Promise<R>,
): Promise<R> {
  let found = none;
  let after: string | undefined;
  do {
    const page = await fetchPage({ limit: Math.min(MAX_PAGE, limit - found.hits.length), ...defined({ after }) });
    found = { ...page, hits: [...found.hits, ...page.hits] };
    after = page.next ?? undefined;
  } while (after !== undefined && found.hits.length < limit);
  return found;
}

/** Formats each message: a line with its conversation, then the snippet. */
export function messagesText(hits: readonly MessageHit[], now: number, style: Style): string {
  return hits
    .map((hit) => {
      const author = hit.role === 'assistant' ? 'the agent' : 'to the agent';
      const where = style.dim(`${author}, ${formatDuration(Math.max(0, now - hit.time))} ago`);
      const head = `${style.cyan(printable(hit.conversation))}  ${style.bold(printable(hit.title))}  ${where}`;
      return `${[head, ...linesOf(hit, style)].join('\n')}\n`;
    })
    .join('\n');
}

/** Formats each hit: a line with its location, then the snippet. */
export function hitsText(hits: readonly SearchHit[], now: number, style: Style): string {
  return hits
    .map((hit) => {
      const where = [`--since ${hit.offset}`, `${formatDuration(Math.max(0, now - hit.time))} ago`];
      if (hit.foreign !== null) where.push(`at ${printable(hit.foreign.source)}`);
      const head = `${style.cyan(hit.session)}  ${style.bold(printable(hit.name))}  ${style.dim(where.join(', '))}`;
      return `${[head, ...linesOf(hit, style)].join('\n')}\n`;
    })
    .join('\n');
}

/** Returns the lines of the snippet with its matches in colour. */
function linesOf({ snippet, matches }: Pick<SearchHit, 'snippet' | 'matches'>, style: Style): string[] {
  const clean = (text: string): string => text.split('\n').map(printable).join('\n');
  let at = 0;
  let text = '';
  for (const [from, to] of matches) {
    text += clean(snippet.slice(at, from)) + style.yellow(clean(snippet.slice(from, to)));
    at = to;
  }
  return (text + clean(snippet.slice(at))).split('\n').map((line) => `  ${line}`);
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_HITS;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_HITS)
    throw usage(`"${text}" is not a number of hits.`, `Use a number from 1 to ${MAX_HITS}.`);
  return limit;
}
