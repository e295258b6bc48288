// page: the viewer in Chromium beside ttyd's page: a flood, a key, the first paint, and how much is loaded.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { type Login, openChromium, type Paint, TerminalPage } from '../page.ts';
import { KIB, MIB } from '../payload.ts';
import { startTtyd } from '../peers.ts';
import { digits, median, percentile, type Row, ranged, ratios } from '../table.ts';

/** What is loaded before a terminal is opened. */
const MOST_ENTRY = 250 * KIB;
const LINE_BYTES = 64;
const READY = 'ready-to-go';
const LAST = 'the-last-line-of-all';

interface PageTimes {
  readonly floodMs: number[];
  readonly longestMs: number[];
  readonly peakMb: number[];
  readonly keyP50: number[];
  readonly keyP99: number[];
  readonly paint: Paint[];
}

export async function page(bench: Bench): Promise<readonly Row[]> {
  const { chromium, ttyd } = bench.peers;
  if (chromium === undefined)
    throw new Error('There is no Chromium: apt-get install chromium, or set BINNACLE_CHROMIUM.');
  const bytes = bench.quick ? 8 * MIB : 256 * MIB;
  const keys = bench.quick ? 40 : 300;
  const reps = bench.quick ? 2 : Math.min(bench.reps, 5);
  const block = writeBlock(bench.scratch);
  const gateway = await Gateway.start(bench.scratch);
  const browser = await openChromium(chromium);
  const [ours, theirs] = [empty(), empty()];
  let pageBytes = Number.NaN;
  try {
    const state = await login(browser, gateway);
    for (let rep = 0; rep < reps; rep += 1) {
      await measureOurs(bench, browser, gateway, state, { block, bytes, keys }, ours);
      if (ttyd !== undefined) pageBytes = await measureTtyd(bench, browser, ttyd, { block, bytes, keys }, theirs);
      bench.note(
        `page ${rep + 1}/${reps}: flood ${last(ours.floodMs)} / ${last(theirs.floodMs)} ms, longest task ${last(ours.longestMs)} / ${last(theirs.longestMs)} ms, peak ${last(ours.peakMb)} / ${last(theirs.peakMb)} MB, key p50 ${last(ours.keyP50)} / ${last(theirs.keyP50)} ms, p99 ${last(ours.keyP99)} / ${last(theirs.keyP99)} ms`,
      );
    }
  } finally {
    await browser.close();
    await gateway.close();
  }
  return [...rowsOf(bytes, keys, ours, theirs), ...sizes(pageBytes)];
}

interface Task {
  readonly block: string;
  readonly bytes: number;
  readonly keys: number;
}

const empty = (): PageTimes => ({ floodMs: [], longestMs: [], peakMb: [], keyP50: [], keyP99: [], paint: [] });
const last = (values: readonly number[]): string => digits(values.at(-1) ?? Number.NaN);

/** Numbered, coloured lines, as builds print them. */
function writeBlock(dir: string): string {
  const path = join(dir, 'page-block');
  const line = (at: number): string =>
    `\x1b[3${at % 8}m${String(at).padStart(6, '0')}\x1b[m ${'lorem ipsum '.repeat(4)}`
      .slice(0, LINE_BYTES - 2)
      .padEnd(LINE_BYTES - 2, '.');
  writeFileSync(path, Array.from({ length: MIB / LINE_BYTES }, (_, at) => `${line(at)}\r\n`).join(''));
  return path;
}

/** Waits behind a gate with `READY` on the screen, floods, and stays: a peer that ends with its program loses the end. */
function floodOf({ block, bytes }: Task, gate: string): string {
  const files = Array.from({ length: 64 }, () => `'${block}'`).join(' ');
  const rounds = Math.floor(bytes / MIB / 64);
  const rest = Array.from({ length: (bytes / MIB) % 64 }, () => `'${block}'`).join(' ');
  return [
    `stty -echo -opost; printf '${READY}\\r\\n'; cat '${gate}' > /dev/null`,
    ...(rounds > 0 ? [`i=0; while [ $i -lt ${rounds} ]; do cat ${files}; i=$((i+1)); done`] : []),
    ...(rest === '' ? [] : [`cat ${rest}`]),
    `printf '${LAST}\\r\\n'; sleep 3600`,
  ].join('; ');
}
const ECHO = `stty raw -echo; printf '${READY}\\r\\n'; exec cat`;

async function measureOurs(
  bench: Bench,
  browser: Browser,
  gateway: Gateway,
  state: Login,
  task: Task,
  into: PageTimes,
): Promise<void> {
  const gate = bench.payloads.gate();
  const flooding = await gateway.create({ command: floodOf(task, gate.path) });
  const url = (id: string): string => `http://127.0.0.1:${gateway.port}/#/${id}`;
  const flood = await TerminalPage.open(browser, url(flooding), READY, state);
  into.paint.push(flood.paint);
  keep(into, await flood.flood(LAST, gate.open));
  await flood.close();
  await gateway.remove(flooding);
  const echoing = await gateway.create({ command: ECHO });
  const typing = await TerminalPage.open(browser, url(echoing), READY, state);
  await typing.page.getByTestId('lease').click();
  await typing.page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
  await typing.page.locator('.xterm').click();
  keepKeys(into, await typing.type(task.keys));
  await typing.close();
  await gateway.remove(echoing);
}

/** It would draw on a canvas, which nothing here can read; ours draws with text, too, where there is no graphics card. */
const ttydUrl = (port: number): string => `http://127.0.0.1:${port}/?rendererType=dom`;

/** Returns how many bytes its page is, as it is sent. */
async function measureTtyd(bench: Bench, browser: Browser, path: string, task: Task, into: PageTimes): Promise<number> {
  const gate = bench.payloads.gate();
  const flooding = await startTtyd(path, floodOf(task, gate.path));
  const flood = await TerminalPage.open(browser, ttydUrl(flooding.port), READY);
  into.paint.push(flood.paint);
  keep(into, await flood.flood(LAST, gate.open));
  await flood.close();
  await flooding.close();
  const echoing = await startTtyd(path, ECHO);
  const typing = await TerminalPage.open(browser, ttydUrl(echoing.port), READY);
  await typing.page.locator('.xterm').click();
  keepKeys(into, await typing.type(task.keys));
  await typing.close();
  const answer = await fetch(`http://127.0.0.1:${echoing.port}/`, { headers: { 'accept-encoding': 'identity' } });
  const bytes = gzipSync(Buffer.from(await answer.arrayBuffer())).length;
  await echoing.close();
  return bytes;
}

function keep(into: PageTimes, { ms, longestMs, peakKb }: Awaited<ReturnType<TerminalPage['flood']>>): void {
  into.floodMs.push(ms);
  into.longestMs.push(longestMs);
  into.peakMb.push(peakKb / KIB);
}

function keepKeys(into: PageTimes, durations: number[]): void {
  durations.sort((a, b) => a - b);
  into.keyP50.push(percentile(durations, 0.5));
  into.keyP99.push(percentile(durations, 0.99));
}

/** The login of a browser, which pages of other profiles are given. */
async function login(browser: Browser, gateway: Gateway): Promise<Login> {
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch('/v1/tickets', { method: 'POST', body: '{}', headers });
  const { url } = (await answer.json()) as { url: string };
  const context = await browser.newContext();
  const entering = await context.newPage();
  await entering.goto(url);
  await entering.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  const state = await context.storageState();
  await context.close();
  return state;
}

function rowsOf(bytes: number, keys: number, ours: PageTimes, theirs: PageTimes): Row[] {
  const row = (what: string, unit: string, pick: (of: PageTimes) => number[], aim = '', most?: number): Row => {
    const [a, b] = [pick(ours), pick(theirs)];
    // Nothing is a multiple of no long task.
    const compared = ratios(a, b).filter(Number.isFinite);
    return {
      goal: 'page',
      what,
      ours: ranged(a, unit),
      other: b.length === 0 ? '' : `ttyd's page ${ranged(b, unit)}`,
      ratio: compared.length === 0 ? '' : ranged(compared),
      aim,
      ...(most === undefined ? {} : { holds: median(a) <= most }),
    };
  };
  const flood = `flood of ${bytes / MIB} MiB to a visible terminal`;
  return [
    row(`${flood}: until its last line is shown`, 'ms', (of) => of.floodMs),
    row(`${flood}: the page's longest task (0: none above 50)`, 'ms', (of) => of.longestMs, '<= 200 ms', 200),
    row(`${flood}: peak memory of the process that draws`, 'MB', (of) => of.peakMb),
    row(`from a key event to the frame with its glyph, p50 (${keys} keys)`, 'ms', (of) => of.keyP50),
    row('the same: p99', 'ms', (of) => of.keyP99),
    row('first contentful paint, nothing cached', 'ms', (of) => of.paint.map(({ firstMs }) => firstMs)),
    row('until the terminal shows what is there, nothing cached', 'ms', (of) =>
      of.paint.map(({ terminalMs }) => terminalMs),
    ),
  ];
}

/** What the built page loads, gzip. */
function sizes(ttydBytes: number): Row[] {
  const assets = join(process.env.BINNACLE_ROOT ?? '.', 'packages/server/assets');
  const gzip = (path: string): number => gzipSync(readFileSync(join(assets, path))).length;
  const index = readFileSync(join(assets, 'index.html'), 'utf8');
  const first = [...index.matchAll(/(?:src|href)="\.\/([^"]+\.(?:js|css))"/g)].map(([, path = '']) => path);
  const isTerminal = (path: string): boolean => /\/(xterm|addon)/.test(path);
  const all = readdirSync(join(assets, 'assets'))
    .filter((name) => /\.(js|css)$/.test(name))
    .map((name) => `assets/${name}`);
  const sum = (paths: readonly string[]): number =>
    paths.reduce((total, path) => total + gzip(path), gzip('index.html'));
  const entry = sum(first.filter((path) => !isTerminal(path)));
  const kib = (count: number): string => `${digits(count / KIB)} KiB`;
  const compared = Number.isFinite(ttydBytes);
  return [
    {
      goal: 'page',
      what: 'loaded before the terminal, gzip',
      ours: kib(entry),
      other: '',
      ratio: '',
      aim: '< 250 KiB',
      holds: entry < MOST_ENTRY,
    },
    {
      goal: 'page',
      what: 'loaded with the terminal, gzip; with all that is loaded when it is needed',
      ours: `${kib(sum(first))}; ${kib(sum(all))}`,
      other: compared ? `ttyd's page ${kib(ttydBytes)}` : '',
      ratio: compared ? digits(sum(first) / ttydBytes) : '',
      aim: '',
    },
  ];
}
