// search: how fast output gets into the index, how fast it is found, and whether anybody waits for either.

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../../packages/server/src/store/sqlite.ts';
import type { Bench } from '../bench.ts';
import { sleep, until } from '../processes.ts';
import { Role } from '../role.ts';
import { type SearchSpec, type SearchTarget, type Stall, wordOf } from '../roles/search.ts';
import { digits, percentile, type Row } from '../table.ts';

const GIB = 1024 ** 3;
const LONGEST_STALL_MS = 20;
const LEAST_MBPS = 60;
const MOST_OF_TEXT = 0.08;
const MOST_P50_MS = 50;
const MOST_P99_MS = 250;
const IDLE_MS = 3000;
/** The index reports its state once a second. */
const FACTS_MS = 1000;
const RETAINED_EVENTS = 1000;

class SearchRole {
  readonly #role: Role<never>;
  readonly #opened: SearchTarget;
  /** Its index has been at work since then. */
  readonly openedAt = performance.now();

  private constructor(role: Role<never>, opened: SearchTarget) {
    this.#role = role;
    this.#opened = opened;
  }

  static async open(spec: SearchSpec): Promise<SearchRole> {
    const role = new Role<never>('search', spec);
    const served = new SearchRole(role, (await role.hear('open')) as SearchTarget);
    // What is loaded and compiled at the first question is none of what is measured.
    await until('the index answers', async () => (await served.get('/v1/pty-traffic?limit=1')).status === 200);
    await served.metric('binnacle_index_bytes');
    await served.stall();
    return served;
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(this.#opened.url + path, {
      headers: { authorization: `Bearer ${this.#opened.token}` },
    });
    return { status: response.status, text: await response.text() };
  }

  async metric(name: string): Promise<number> {
    const { text } = await this.get('/metrics');
    return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  /** Whether the index has all output. */
  async isWhole(): Promise<boolean> {
    await sleep(FACTS_MS);
    return (
      (await this.metric('binnacle_index_documents')) > 0 && (await this.metric('binnacle_index_behind_bytes')) === 0
    );
  }

  /** The longest stall while it has nothing to do: what the machine is to blame for. */
  async idle(): Promise<number> {
    await this.stall();
    await sleep(IDLE_MS);
    return (await this.stall()).longest;
  }

  /** Since the last time. */
  async stall(): Promise<Stall> {
    return (await this.#role.ask('stall')) as Stall;
  }

  async close(): Promise<void> {
    this.#role.say('close');
    await this.#role.hear('closed');
    await this.#role.end();
  }
}

export const search = (bench: Bench): Promise<readonly Row[]> => measure(bench, 'search', GIB);
export const searchLarge = (bench: Bench): Promise<readonly Row[]> => measure(bench, 'search-large', 10 * GIB);

async function measure(bench: Bench, goal: string, whole: number): Promise<readonly Row[]> {
  const bytes = bench.quick ? 32 * 1024 * 1024 : whole;
  const dir = mkdtempSync(join(bench.scratch, 'search-'));
  const served = await SearchRole.open({ dir, bytes, events: 0, options: { logLevel: 'error' } });
  try {
    const rows = [...(await indexing(bench, served, bytes)), ...(await queries(bench, served))];
    return rows.map((row) => ({ ...row, goal }));
  } finally {
    await served.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function indexing(bench: Bench, served: SearchRole, bytes: number): Promise<Omit<Row, 'goal'>[]> {
  // By the metric: searches would hold up what is measured.
  await until('all is in the index', async () => await served.isWhole(), 1_200_000);
  const seconds = (performance.now() - served.openedAt) / 1000;
  const { longest, p99 } = await served.stall();
  const idle = await served.idle();
  const size = await served.metric('binnacle_index_bytes');
  bench.note(`search: indexed in ${digits(seconds)} s, longest stall ${digits(longest)} ms`);
  const mbps = bytes / 1e6 / seconds;
  return [
    {
      what: `${bytes / 1024 ** 2} MiB of output into the index`,
      ours: `${digits(mbps)} MB/s`,
      other: '',
      ratio: '',
      aim: `>= ${LEAST_MBPS} MB/s`,
      holds: mbps >= LEAST_MBPS,
    },
    {
      what: 'longest stall of the event loop meanwhile',
      ours: `${digits(longest)} ms (p99 ${digits(p99)})`,
      other: `idle: ${digits(idle)} ms`,
      ratio: '',
      aim: `<= ${LONGEST_STALL_MS} ms`,
      holds: longest <= LONGEST_STALL_MS,
    },
    {
      what: 'size of the index',
      ours: `${digits(size / 1e6)} MB`,
      other: `output of ${digits(bytes / 1e6)} MB`,
      ratio: digits(size / bytes),
      aim: `<= ${MOST_OF_TEXT}`,
      holds: size / bytes <= MOST_OF_TEXT,
    },
  ];
}

async function queries(bench: Bench, served: SearchRole): Promise<Omit<Row, 'goal'>[]> {
  const rank = (least: number, most: number): string => wordOf(Math.floor(least * (most / least) ** Math.random()));
  const kinds: Readonly<Record<string, () => string>> = {
    'a frequent word': () => rank(1, 10),
    'a rare word': () => rank(5000, 19_999),
    'two words': () => `${rank(10, 1000)} ${rank(10, 1000)}`,
    'a phrase': () => `"${rank(1, 100)} ${rank(1, 100)}"`,
    'a word but not another': () => `${rank(100, 1000)} -${rank(1, 10)}`,
    'a beginning': () => `${rank(100, 19_999).slice(0, 4)}*`,
    'nothing is found': () => `absent${Math.random().toString(36).slice(2)} ${rank(1, 10)}`,
  };
  const rows: Omit<Row, 'goal'>[] = [];
  const all: number[] = [];
  let timeouts = 0;
  for (const [what, make] of Object.entries(kinds)) {
    const times: number[] = [];
    for (let i = 0; i < (bench.quick ? 20 : 200); i += 1) {
      const began = performance.now();
      const { status, text } = await served.get(`/v1/search?q=${encodeURIComponent(make())}`);
      if (status === 503 && text.includes('search_timeout')) timeouts += 1;
      else if (status !== 200) throw new Error(text);
      times.push(performance.now() - began);
    }
    all.push(...times);
    rows.push(rowOf(what, times));
  }
  const { longest } = await served.stall();
  const mixed = rowOf('mixed', all);
  const [p50, p99] = [percentile(all, 0.5), percentile(all, 0.99)];
  const aims = {
    aim: `p50 <= ${MOST_P50_MS}, p99 <= ${MOST_P99_MS} ms`,
    holds: p50 <= MOST_P50_MS && p99 <= MOST_P99_MS,
  };
  return [
    {
      ...mixed,
      ...aims,
      other: `longest stall ${digits(longest)} ms; ${timeouts} of ${all.length} without an answer in 10 s`,
    },
    ...rows,
  ];
}

function rowOf(what: string, times: number[]): Omit<Row, 'goal'> {
  const sorted = times.sort((a, b) => a - b);
  return {
    what: `a page of 20 hits with snippets, over HTTP: ${what}; p50, p99, longest`,
    ours: `${digits(percentile(sorted, 0.5))}, ${digits(percentile(sorted, 0.99))}, ${digits(sorted.at(-1) ?? 0)} ms`,
    other: '',
    ratio: '',
    aim: '',
  };
}

/** Events beyond the limit are taken out, in slices and in a thread of their own; or in one statement on the loop. */
export async function retention(bench: Bench): Promise<readonly Row[]> {
  const events = bench.quick ? 50_000 : 1_000_000;
  const dir = mkdtempSync(join(bench.scratch, 'retention-'));
  try {
    const first = await SearchRole.open({
      dir,
      bytes: 0,
      events,
      options: { logLevel: 'error', maxEvents: 2 * events },
    });
    await until(
      'the events are listed',
      async () => (await first.metric('binnacle_traffic_events')) >= events,
      600_000,
    );
    await first.close();
    const blocking = deleteAtOnce(dir);
    const second = await SearchRole.open({
      dir,
      bytes: 0,
      events: 0,
      options: { logLevel: 'error', maxEvents: RETAINED_EVENTS },
    });
    let longestAnswer = 0;
    await until(
      'the rest is gone',
      async () => {
        const requestedAt = performance.now();
        await second.get('/v1/pty-traffic?limit=10');
        longestAnswer = Math.max(longestAnswer, performance.now() - requestedAt);
        return (await second.metric('binnacle_traffic_events')) === RETAINED_EVENTS;
      },
      600_000,
    );
    const seconds = (performance.now() - second.openedAt) / 1000;
    const { longest, p99 } = await second.stall();
    const idle = await second.idle();
    await second.close();
    bench.note(`retention: ${digits(seconds)} s, longest stall ${digits(longest)} ms`);
    return [
      {
        goal: 'retention',
        what: `${events - RETAINED_EVENTS} events taken out in ${digits(seconds)} s; longest stall of the event loop`,
        ours: `${digits(longest)} ms (p99 ${digits(p99)}); longest query meanwhile ${digits(longestAnswer)} ms`,
        other: `idle: ${digits(idle)} ms; one DELETE, on the loop: ${digits(blocking)} ms`,
        ratio: digits(longest / blocking),
        aim: `<= ${LONGEST_STALL_MS} ms`,
        holds: longest <= LONGEST_STALL_MS,
      },
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function deleteAtOnce(dir: string): number {
  const path = join(dir, 'copy.sqlite');
  copyFileSync(join(dir, 'index.sqlite'), path);
  const db = openDatabase(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  const began = performance.now();
  db.prepare('DELETE FROM events WHERE id NOT IN (SELECT id FROM events ORDER BY id DESC LIMIT ?)').run(
    RETAINED_EVENTS,
  );
  const durationMs = performance.now() - began;
  db.close();
  return durationMs;
}
