// Searches the output: asks the full-text index, scans the blocks whose filters may have the words, and merges both,
// newest first.

import { BinnacleError } from '@binnacle/protocol';
import { PlainText } from '../cursor/plain-text.ts';
import type { Block, BlockIndex } from './block-index.ts';
import type { Readers } from './readers.ts';
import { timeOf } from './row-ids.ts';
import { SearchPace } from './search-pace.ts';
import type { BlockRow, FoundDoc, SearchRange, TextIndex } from './text-index.ts';
import { TextMatch } from './text-match.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { SearchRequest } from './wire.ts';

/** Documents of a block that are decoded and compared in one turn of the event loop: a few ms. */
const DOCS_PER_TURN = 64;

export interface TextSearchParts {
  readonly texts: TextIndex;
  readonly blocks: BlockIndex;
  readonly tokenizer: Tokenizer;
  readonly readers: Readers;
}

export interface FoundDocs {
  /** Newest first. */
  readonly docs: readonly FoundDoc[];
  /** True if older documents may match. */
  readonly hasMore: boolean;
}

export class TextSearch {
  readonly #parts: TextSearchParts;

  constructor(parts: TextSearchParts) {
    this.#parts = parts;
  }

  /**
   * Finds documents, at most `request.limit`. A search whose time is over returns those found so far. Throws
   * `search_timeout` if there are none. `yieldToEventLoop`: called between steps.
   */
  async find(request: SearchRequest, yieldToEventLoop: () => Promise<void>): Promise<FoundDocs> {
    const pace = new SearchPace(request.timeoutMs, yieldToEventLoop);
    const range = this.#parts.texts.rangeOf(request);
    const sources = [
      this.#parts.texts.find(request.query.expression, range, pace),
      this.#scanBlocks(new TextMatch(request.query.terms, this.#parts.tokenizer), range, pace),
    ];
    const docs: FoundDoc[] = [];
    try {
      for await (const doc of newestFirst(sources)) {
        if (docs.length === request.limit) return { docs, hasMore: true };
        docs.push(doc);
      }
      return { docs, hasMore: false };
    } catch (error) {
      const isOver = error instanceof BinnacleError && error.code === 'search_timeout';
      if (!isOver || docs.length === 0) throw error;
      return { docs, hasMore: true };
    }
  }

  async *#scanBlocks(match: TextMatch, range: SearchRange, pace: SearchPace): AsyncGenerator<FoundDoc> {
    const { hashes, excludedHashes: excluded } = match;
    if (hashes === undefined) return;
    // Documents that a later block may precede: highest id last.
    let waiting: FoundDoc[] = [];
    for await (const block of this.#parts.blocks.candidates({ ...range, hashes, excluded }, pace)) {
      while ((waiting.at(-1)?.id ?? -1) > block.last) yield waiting.pop() as FoundDoc;
      await pace.step();
      const found = await this.#scan(block, match, range, pace);
      if (found.length > 0) waiting = [...waiting, ...found].sort((a, b) => a.id - b.id);
    }
    while (waiting.length > 0) yield waiting.pop() as FoundDoc;
  }

  async #scan(block: Block, match: TextMatch, range: SearchRange, pace: SearchPace): Promise<FoundDoc[]> {
    const output = await this.#outputOf(block);
    if (output === undefined) return [];
    const { docs, bytes } = output;
    const begin = docs[0]?.at ?? 0;
    const found: FoundDoc[] = [];
    for (const [i, doc] of docs.entries()) {
      if (i > 0 && i % DOCS_PER_TURN === 0) await pace.step();
      const { id, at, bytes: size, is_plain: isPlain } = doc;
      if (id >= range.before || id < range.low) continue;
      const part = bytes.subarray(at - begin, at - begin + size);
      if (isPlain === 1 && !match.mayMatch(part)) continue;
      if (!match.matches(new PlainText().text(part))) continue;
      found.push({ id, session: block.session, at, bytes: size, time: timeOf(id), output: part });
    }
    return found;
  }

  /** Reads the output of a block from its first whole document on; undefined if nothing of it is retained. */
  async #outputOf(block: Block): Promise<{ readonly docs: readonly BlockRow[]; readonly bytes: Buffer } | undefined> {
    const { readers, texts } = this.#parts;
    try {
      const oldest = readers.of(block.session).oldest.offset;
      const docs = texts.documentsOf(block).filter(({ at }) => at >= oldest);
      const [first] = docs;
      if (first === undefined) return undefined;
      const { session, place, at, bytes } = block;
      const left = at + bytes - first.at;
      const isWhole = first.at === at;
      return {
        docs,
        bytes: isWhole
          ? await readers.outputFrom(session, { place, offset: at }, left)
          : await readers.output(session, first.at, left),
      };
    } catch {
      return undefined; // trimmed or deleted since: retention will remove the documents
    }
  }
}

/** Merges sources that are sorted by id, highest first. */
async function* newestFirst(sources: readonly AsyncGenerator<FoundDoc>[]): AsyncGenerator<FoundDoc> {
  const heads: (FoundDoc | undefined)[] = [];
  const advance = async (n: number): Promise<void> => {
    const next = await sources[n]?.next();
    heads[n] = next === undefined || next.done === true ? undefined : next.value;
  };
  for (const n of sources.keys()) await advance(n);
  for (;;) {
    let newest: number | undefined;
    for (const [n, head] of heads.entries()) {
      if (head !== undefined && (newest === undefined || head.id > (heads[newest]?.id ?? -1))) newest = n;
    }
    if (newest === undefined) return;
    yield heads[newest] as FoundDoc;
    await advance(newest);
  }
}
