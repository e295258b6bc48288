// Makes blocks of a log that is far behind: the costly part of the indexing of large output, without the index itself.
// Runs in a thread of its own (block-thread.ts).

import { defined, type Epoch } from '@binnacle/protocol';
import type { Head } from '../../log/log.ts';
import { type CollectedTerms, TermWriter } from '../block-terms.ts';
import { bornAt } from '../row-ids.ts';
import type { BlockDocument } from '../text-index.ts';
import { Tokenizer } from '../tokenizer.ts';
import type { LogNews } from '../wire.ts';
import { DocumentCutter, toBlock } from './document-cutter.ts';
import { Readers } from './readers.ts';

export interface BlocksRequest {
  readonly news: LogNews;
  readonly epoch: Epoch;
  readonly from: Head;
  /** Maximum bytes of the log to read. */
  readonly maxBytes: number;
  /** See CutterOptions. */
  readonly blockBytes?: number;
}

export interface MadeBlock {
  readonly docs: readonly BlockDocument[];
  readonly terms: CollectedTerms;
}

export interface MadeBlocks {
  readonly from: Head;
  readonly blocks: readonly MadeBlock[];
  /** Position behind the last block, or behind output without text. */
  readonly next: Head;
}

export interface BlockSource {
  /** Makes complete blocks from a position on, up to a gap, an emitted event, or what cannot be read. */
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
    let hasEvent = false;
    const options = { writer: this.#writer, marks: 0, leastTime: bornAt(news.id), ...defined({ blockBytes }) };
    const cutter = new DocumentCutter(from, options, {
      block: (docs, terms) => blocks.push({ docs: docs.map(toBlock), terms: terms.collected }),
      event: () => {
        hasEvent = true;
      },
    });
    const next = (): Head => cutter.positionOf(cutter.documents[0]);
    this.#readers.accept(news);
    try {
      const reader = this.#readers.of(news.id);
      const end = Math.min(news.head.place, from.place + maxBytes);
      while (cutter.at.place < end) {
        const reading = await reader.read({ epoch, ...cutter.at });
        if (reading.kind !== 'page') break;
        for (const entry of reading.page.entries) {
          const before = entry.kind === 'event' ? next() : from;
          cutter.take(entry);
          // The index takes the event itself, and the output before that no block has.
          if (hasEvent) return { from, blocks, next: before };
        }
      }
    } catch {
      // The index reads the same place itself, and reports the failure.
    } finally {
      // The log may be another one of the same id at the next request.
      this.#readers.forget(news.id);
    }
    return { from, blocks, next: next() };
  }
}
