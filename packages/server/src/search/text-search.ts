// Searches the output: asks the full-text index, scans the blocks whose filters may have the words, and merges both,
// newest first.

import type { Block, BlockIndex, SearchRange } from './block-index.ts';
import type { Readers } from './logs/readers.ts';
import { expandNewestFirst, mergeNewestFirst, pageOf } from './newest-first.ts';
import { expressionOf } from './query.ts';
import { timeOf } from './row-ids.ts';
import { SearchPace } from './search-pace.ts';
import type { FoundDoc, TextIndex } from './text-index.ts';
import { TextMatch } from './text-match.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { SearchRequest } from './wire.ts';

/** Documents of a block that are decoded and compared in one turn of the event loop: a few ms. */
const DOCS_PER_TURN = 64;
/** Output that is read and checked for one document that is read by itself: a page. */
const READ_BYTES = 64 * 1024;

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
      this.#parts.texts.find(expressionOf(request.terms), range, pace),
      this.#scanBlocks(request, range, pace),
    ];
    const { items: docs, hasMore } = await pageOf(mergeNewestFirst(sources, idOf), request.limit);
    return { docs, hasMore };
  }

  #scanBlocks(request: SearchRequest, range: SearchRange, pace: SearchPace): AsyncGenerator<FoundDoc> {
    const { blocks, tokenizer } = this.#parts;
    const match = new TextMatch(request.terms, tokenizer);
    const { hashes, excludedHashes: excluded } = match;
    const candidates = hashes === undefined ? [] : blocks.candidates({ ...range, hashes, excluded }, pace);
    return expandNewestFirst(candidates, {
      newestOf: ({ last }: Block) => last,
      expand: async (block) => {
        await pace.step();
        return await this.#scan(block, match, range, pace);
      },
      idOf,
      limit: request.limit + 1,
    });
  }

  /** Returns the matching documents of a block. Documents that were trimmed or deleted meanwhile are left out. */
  async #scan(block: Block, match: TextMatch, range: SearchRange, pace: SearchPace): Promise<FoundDoc[]> {
    const { texts, readers } = this.#parts;
    const { session, place, at: begin, only } = block;
    const docs = texts.documentsOf(block);
    const isWhole = only === undefined || only.size * READ_BYTES > block.bytes;
    const output = isWhole
      ? await readers.outputFrom(session, { place, offset: begin }, block.bytes).catch(() => NOTHING)
      : NOTHING;
    const found: FoundDoc[] = [];
    for (const [i, { id, at, bytes, is_plain: isPlain }] of docs.entries()) {
      if (i > 0 && (!isWhole || i % DOCS_PER_TURN === 0)) await pace.step();
      if (id >= range.before || id < range.low) continue;
      let part = output.subarray(at - begin, at - begin + bytes);
      const known = only?.get(at - begin);
      if (!isWhole && known !== undefined) {
        part = await readers.outputFrom(session, { place: known, offset: at }, bytes).catch(() => NOTHING);
      }
      // Reading ends before a gap: what is behind is read by itself.
      if (part.length < bytes) part = await readers.output(session, at, bytes).catch(() => NOTHING);
      if (!match.matches(part, isPlain === 1)) continue;
      // A copy: the output of a block would stay in memory for one document.
      found.push({ id, session, at, bytes, time: timeOf(id), output: Buffer.from(part) });
    }
    return found;
  }
}

const NOTHING = Buffer.alloc(0);
const idOf = ({ id }: FoundDoc): number => id;
