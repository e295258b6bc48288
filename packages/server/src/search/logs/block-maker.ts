// Makes blocks of a log that is far behind: the costly part of the indexing of large output, without the index itself.
// Runs in a thread of its own (block-thread.ts).

import { defined, type Epoch, type TrafficMark } from '@binnacle/protocol';
import { type CollectedTerms, TermWriter } from '../block-terms.ts';
import type { NewEvent } from '../event-rows.ts';
import { bornAt } from '../row-ids.ts';
import type { BlockDocument } from '../text-index.ts';
import { Tokenizer } from '../tokenizer.ts';
import type { LogNews } from '../wire.ts';
import { type CutPosition, DocumentCutter, toBlock } from './document-cutter.ts';
import { Readers } from './readers.ts';

export interface BlocksRequest {
  readonly news: LogNews;
  readonly epoch: Epoch;
  readonly from: CutPosition;
  /** Output to read, at most. */
  readonly maxBytes: number;
  /** See CutterOptions. */
  readonly blockBytes?: number;
}

export interface MadeBlock {
  readonly docs: readonly BlockDocument[];
  readonly terms: CollectedTerms;
}

export interface MadeBlocks {
  readonly from: CutPosition;
  readonly blocks: readonly MadeBlock[];
  /** Events up to `next.marks`. */
  readonly events: readonly { readonly mark: TrafficMark; readonly event: NewEvent }[];
  /** Where to go on: behind the last block. */
  readonly next: CutPosition;
}

export interface BlockSource {
  /** Makes complete blocks from a position on, up to a gap at most. Throws the errors of reading. */
  make(request: BlocksRequest): Promise<MadeBlocks>;
}

export class BlockMaker implements BlockSource {
  readonly #readers: Readers;
  readonly #tokenizer = new Tokenizer();
  readonly #writer = new TermWriter(this.#tokenizer);

  /** `dir`: directory of the sessions. */
  constructor(dir: string) {
    this.#readers = new Readers(dir);
  }

  close(): void {
    this.#tokenizer.close();
  }

  async make({ news, epoch, from, maxBytes, blockBytes }: BlocksRequest): Promise<MadeBlocks> {
    const blocks: MadeBlock[] = [];
    const events: { readonly mark: TrafficMark; readonly event: NewEvent }[] = [];
    const options = { writer: this.#writer, leastTime: bornAt(news.id), ...defined({ blockBytes }) };
    const cutter = new DocumentCutter(from, options, {
      block: (docs, terms) => blocks.push({ docs: docs.map(toBlock), terms: terms.collected }),
      event: (mark, event) => events.push({ mark, event }),
    });
    this.#readers.accept(news);
    try {
      const reader = this.#readers.of(news.id);
      const end = Math.min(news.head.offset, from.at.offset + maxBytes);
      while (cutter.at.offset < end) {
        const reading = await reader.read({ epoch, ...cutter.at });
        if (reading.kind !== 'page') break;
        for (const entry of reading.page.entries) cutter.take(entry);
      }
    } finally {
      // The log may be another one of the same id at the next request.
      this.#readers.forget(news.id);
    }
    return { from, blocks, events, next: cutter.positionOf(cutter.documents[0]) };
  }
}
