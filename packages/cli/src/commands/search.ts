// `binnacle search`: finds words in the output of all sessions, and shows the lines.

import { defined, type SearchHit, type SearchResult } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { formatDuration } from '../input/quantities.ts';
import { EXIT, usage } from '../output/failure.ts';
import { printable, type Style, styleFor } from '../output/style.ts';

/** Maximum hits per page of the gateway. */
const MAX_PAGE = 50;
const MAX_HITS = 1000;
const DEFAULT_HITS = 20;

export async function search(terms: readonly string[], options: Options<'search'>): Promise<number> {
  const limit = limitOf(options.limit);
  const found = await withClient(options, async (client): Promise<SearchResult> => {
    const hits: SearchHit[] = [];
    let behindBytes = 0;
    let next: string | null | undefined;
    while (next !== null && hits.length < limit) {
      const page = await client.search(terms.join(' '), {
        limit: Math.min(MAX_PAGE, limit - hits.length),
        ...defined({ session_id: options.session, after: next }),
      });
      hits.push(...page.hits);
      ({ next, behindBytes } = page);
    }
    return { hits, next: next ?? null, behindBytes };
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify(found)}\n`);
  else {
    process.stdout.write(hitsText(found.hits, Date.now(), styleFor(process.stdout)));
    if (found.hits.length === 0) process.stderr.write('Nothing was found.\n');
    if (found.behindBytes > 0) process.stderr.write(`${found.behindBytes} bytes of output are not in the index yet.\n`);
  }
  return found.hits.length === 0 ? EXIT.failed : EXIT.ok;
}

/** Formats each hit: a line with its location, then the snippet. */
export function hitsText(hits: readonly SearchHit[], now: number, style: Style): string {
  return hits
    .map((hit) => {
      const where = [`--since ${hit.offset}`, `${formatDuration(Math.max(0, now - hit.time))} ago`];
      if (hit.foreign !== null) where.push(`at ${printable(hit.foreign.source)}`);
      const head = `${style.cyan(hit.session)}  ${style.bold(printable(hit.name))}  ${style.dim(where.join(', '))}`;
      const lines = marked(hit, style).split('\n');
      return `${[head, ...lines.map((line) => `  ${line}`)].join('\n')}\n`;
    })
    .join('\n');
}

/** Returns the snippet with its matches in colour. */
function marked({ snippet, matches }: SearchHit, style: Style): string {
  const clean = (text: string): string => text.split('\n').map(printable).join('\n');
  let at = 0;
  let text = '';
  for (const [from, to] of matches) {
    text += clean(snippet.slice(at, from)) + style.yellow(clean(snippet.slice(from, to)));
    at = to;
  }
  return text + clean(snippet.slice(at));
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_HITS;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_HITS)
    throw usage(`"${text}" is not a number of hits.`, `Use a number from 1 to ${MAX_HITS}.`);
  return limit;
}
