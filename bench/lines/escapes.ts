// escapes: output through each user of the parser of escape sequences, in MB/s, against the emulator that draws it.

import { plainFilter } from '../../packages/cli/src/terminal/filters.ts';
import { PlainText as LogText } from '../../packages/client/src/react/log/plain-text.ts';
import { MarkParser } from '../../packages/server/src/activity/marks.ts';
import { PlainText } from '../../packages/server/src/cursor/plain-text.ts';
import { Emulator } from '../../packages/server/src/screen/emulator.ts';
import { CutPointScanner } from '../../packages/server/src/screen/log-walk.ts';
import type { Bench } from '../bench.ts';
import { KIB, MIB } from '../payload.ts';
import { median, type Row, ranged, ratios } from '../table.ts';

const PIECE = 64 * KIB;

/** Lines of a build, dense colours, redraws of an agent's screen, and UTF-8. */
const OUTPUT: Readonly<Record<string, (n: number) => string>> = {
  build: (n) => `[${n}/9000] Building CXX object src/lib/CMakeFiles/core.dir/module_${n % 331}.cpp.o\r\n`,
  colours: (n) => `\x1b[38;5;${n % 256}m${(n * 7919).toString(36)}\x1b[0m${n % 9 === 0 ? '\r\n' : ' '}`,
  redraws: (n) =>
    `\x1b[?2026h\x1b]0;✳ Task ${n}\x07\x1b[${(n % 24) + 1};3H\x1b[38;2;215;119;87m▐\x1b[1C\x1b[2mStep ${n}…\x1b[22m\x1b[39m\x1b[K\x1b[?2026l`,
  'UTF-8': (n) => `${n} 日本語のテキスト — Größe “naïve” café │ ├── файл.txt 👍 ${'é·'.repeat(n % 5)}\r\n`,
};

const USERS: Readonly<Record<string, () => (bytes: Buffer) => unknown>> = {
  'plain text': () => {
    const plain = new PlainText();
    return (bytes) => plain.push(bytes);
  },
  'marks of activity': () => {
    const marks = new MarkParser();
    return (bytes) => marks.take(bytes);
  },
  'cut points of screens': () => {
    const scanner = new CutPointScanner();
    return (bytes) => scanner.take(bytes);
  },
  'lines in a page': () => {
    const text = new LogText();
    return (bytes) => text.write(bytes.toString());
  },
  'filter of tail': () => {
    const filter = plainFilter();
    return (bytes) => filter.push(bytes);
  },
};

export async function escapes(bench: Bench): Promise<readonly Row[]> {
  const bytes = (bench.quick ? 1 : 4) * MIB;
  const rows: Row[] = [];
  for (const [name, line] of Object.entries(OUTPUT)) {
    const pieces = piecesOf(line, bytes);
    const emulated: number[] = [];
    const parsed = new Map<string, number[]>(Object.keys(USERS).map((user) => [user, []]));
    for (let rep = 0; rep < bench.reps; rep += 1) {
      for (const [user, rates] of parsed) rates.push(rateOf(pieces, bytes, USERS[user]?.() ?? (() => {})));
      const emulator = new Emulator({ cols: 120, rows: 40 });
      emulated.push(rateOf(pieces, bytes, (piece) => emulator.write(piece)));
      emulator.dispose();
    }
    for (const [user, rates] of parsed) {
      bench.note(`escapes ${name}, ${user}: ${median(rates).toFixed(0)} MB/s`);
      rows.push({
        goal: 'escapes',
        what: `${user}: ${name}`,
        ours: ranged(rates, 'MB/s'),
        other: `emulator ${ranged(emulated, 'MB/s')}`,
        ratio: ranged(ratios(rates, emulated)),
        aim: '',
      });
    }
  }
  return rows;
}

function piecesOf(line: (n: number) => string, bytes: number): Buffer[] {
  let text = '';
  for (let n = 0; text.length < bytes; n += 1) text += line(n);
  const all = Buffer.from(text).subarray(0, bytes);
  return Array.from({ length: Math.ceil(bytes / PIECE) }, (_, n) => all.subarray(n * PIECE, (n + 1) * PIECE));
}

/** Returns MB per second of processor time: other processes share the cores. */
function rateOf(pieces: readonly Buffer[], bytes: number, take: (piece: Buffer) => unknown): number {
  const before = process.cpuUsage();
  for (const piece of pieces) take(piece);
  const { user, system } = process.cpuUsage(before);
  return bytes / Math.max(1, user + system);
}
