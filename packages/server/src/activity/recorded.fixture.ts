// Output of real agents in a terminal of ours, replayed to the machine with its own times: recorded by
// `BINNACLE_RECORD=/home/me npm run test:all -- test/live/terminals.test.ts`. Screens are drawn as the gateway draws them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import headless from '@xterm/headless';
import { ACTIVITY_TIMES, type Activity, ActivityMachine } from './activity-machine.ts';
import { dialogOf, hintsAtDialog } from './dialog.ts';
import { isOnlyTitles, MarkParser } from './marks.ts';
import { lastLineOf, QUESTION_BYTES } from './question.ts';

export interface Recorded {
  readonly cols: number;
  readonly rows: number;
  /** States as a person saw them, each from the first moment that lists said so. In ms. */
  readonly expected: readonly { readonly atMs: number; readonly state: string }[];
  /** Output, each piece with its time in ms. */
  readonly pieces: readonly (readonly [number, string])[];
}

export const AGENTS = ['claude', 'codex', 'gemini', 'opencode', 'qwen'] as const;

export const recordedOf = (agent: (typeof AGENTS)[number]): Recorded =>
  JSON.parse(gunzipSync(readFileSync(join(import.meta.dirname, 'recorded', `${agent}.json.gz`))).toString());

export interface ReplayResult {
  /** Each state, from when. */
  readonly states: readonly Activity[];
  /** How often the screen was drawn. */
  readonly screenCount: number;
}

/** `change`: what stands in the place of a piece. */
export async function replay(
  { cols, rows, pieces }: Recorded,
  change: (piece: string) => string = (piece) => piece,
): Promise<ReplayResult> {
  const machine = new ActivityMachine(0);
  const marks = new MarkParser();
  const terminal = new headless.Terminal({ cols, rows, allowProposedApi: true });
  const states: Activity[] = [machine.now];
  let screenCount = 0;
  let tail = Buffer.alloc(0);
  let unseen = Buffer.alloc(0);
  const note = (): void => {
    if (machine.now.state !== states.at(-1)?.state) states.push(machine.now);
  };
  const see = async (at: number): Promise<void> => {
    const isWorthIt = machine.isSuspected || hintsAtDialog(unseen);
    unseen = Buffer.alloc(0);
    if (!isWorthIt) return machine.overlook();
    screenCount += 1;
    await new Promise<void>((done) => terminal.write('', done));
    machine.saw(dialogOf(rowsOf(terminal)), at);
  };
  let now = 0;
  const advance = async (to: number): Promise<void> => {
    for (;;) {
      const { quietAt = Number.POSITIVE_INFINITY, screenCheckAt = Number.POSITIVE_INFINITY } = machine;
      const next = Math.max(now, Math.min(quietAt, screenCheckAt));
      if (next > to) break;
      now = next;
      if (screenCheckAt <= next) await see(next);
      else machine.pass(next, () => lastLineOf(tail));
      note();
    }
    now = to;
  };
  for (const [at, text] of pieces) {
    await advance(at);
    const bytes = Buffer.from(change(text));
    if (!isOnlyTitles(bytes)) machine.take({ kind: 'output', bytes: bytes.length }, at);
    for (const mark of marks.take(bytes)) machine.take(mark, at);
    tail = Buffer.concat([tail, bytes]).subarray(-QUESTION_BYTES);
    unseen = Buffer.concat([unseen, bytes]);
    terminal.write(bytes);
    note();
  }
  await advance((pieces.at(-1)?.[0] ?? 0) + 10 * ACTIVITY_TIMES.quietMs);
  terminal.dispose();
  return { states, screenCount };
}

function rowsOf(terminal: InstanceType<typeof headless.Terminal>): string[] {
  const { active } = terminal.buffer;
  return Array.from(
    { length: terminal.rows },
    (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
  );
}
