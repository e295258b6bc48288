// `binnacle tail`: prints the output of a session, filtered unless --raw is given.

import type { Binnacle } from '@binnacle/client';
import type { SessionInfo } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { parseCount } from '../input/quantities.ts';
import { EXIT, usage } from '../output/failure.ts';
import { type Filter, plainFilter } from '../terminal/filters.ts';
import { writeTo } from '../terminal/terminal.ts';

/** Default bytes: a few screens; --since 0 prints all. */
const TAIL_BYTES = 16 * 1024;
const PAGE_BYTES = 1024 * 1024;
const LF = 0x0a;

export async function tail(idOrName: string, options: Options<'tail'>): Promise<number> {
  if (options.since !== undefined && options.bytes !== undefined) throw usage('Pass --since or --bytes, not both.');
  const since = count(options.since, '--since');
  const bytes = count(options.bytes, '--bytes');
  await withClient(options, async (client) => {
    const info = await findSession(client, idOrName);
    const from = since ?? Math.max(info.oldestOffset, info.outputOffset - (bytes ?? TAIL_BYTES));
    // The start is a default, so the output begins with a whole line.
    const print = printer(options.raw === true, since === undefined && bytes === undefined && from > 0);
    const offset = await printStored(client, info, from, print);
    if (options.follow === true) await printFollowing(client, info, offset, print);
    await print.end();
  });
  return EXIT.ok;
}

interface Printer {
  push(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

function printer(raw: boolean, skipLine: boolean): Printer {
  const filter: Filter = raw ? { push: (bytes) => bytes, end: () => new Uint8Array() } : plainFilter();
  let skipping = skipLine;
  let coloured = false;
  return {
    async push(bytes) {
      let rest = bytes;
      if (skipping) {
        const at = rest.indexOf(LF);
        if (at < 0) return;
        rest = rest.subarray(at + 1);
        skipping = false;
      }
      const filtered = filter.push(rest);
      coloured ||= !raw && filtered.includes(0x1b);
      await writeTo(process.stdout, filtered);
    },
    async end() {
      await writeTo(process.stdout, filter.end());
      // The last output may have left a colour on.
      if (coloured && process.stdout.isTTY) await writeTo(process.stdout, Buffer.from('\x1b[0m'));
    },
  };
}

/** Prints stored output up to the current head. */
async function printStored(client: Binnacle, info: SessionInfo, from: number, print: Printer): Promise<number> {
  const session = client.session(info.id);
  let offset = from;
  do {
    const slice = await session.read({ since: offset, limit: PAGE_BYTES });
    await print.push(slice.bytes);
    if (slice.nextOffset <= offset) return offset;
    offset = slice.nextOffset;
  } while (offset < info.outputOffset);
  return offset;
}

async function printFollowing(client: Binnacle, info: SessionInfo, offset: number, print: Printer): Promise<void> {
  for await (const event of client.session(info.id).attach({ offset })) {
    if (event.type === 'output') await print.push(event.bytes);
    if (event.type === 'gap') {
      process.stderr.write(`[binnacle: ${event.to - event.from} bytes of output are missing (${event.reason})]\n`);
    }
  }
}

const count = (text: string | undefined, name: string): number | undefined =>
  text === undefined ? undefined : parseCount(text, name, 0, Number.MAX_SAFE_INTEGER);
