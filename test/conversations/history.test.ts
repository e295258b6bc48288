// What was said, by pages and by position: in order, whole, and the same for who comes late, comes back, or outlives us.

import { resolve } from 'node:path';
import type { ConversationEvent, MessageInfo, MessagePage } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { pathOf, Transcript } from './conversation.fixture.ts';
import { AGENTS, type Core, gateIn, openCore, openGate, parseSse, untilGate } from './core.fixture.ts';

const MIB = 1024 * 1024;
const late = { driver: 'acp', command: [process.execPath, resolve(import.meta.dirname, 'late-acp.mjs')] };
let core: Core;
beforeAll(async () => {
  core = await openCore({ retainConversationBytes: MIB }, { agents: { entries: { ...AGENTS, late } } });
});
afterAll(() => core.close());

interface Told {
  readonly position: string;
  readonly events: readonly ConversationEvent[];
}

/** What `GET …/events` gives; with a limit it hangs up behind so many SSE messages. */
async function readEvents(
  path: string,
  {
    after,
    limit = Number.POSITIVE_INFINITY,
    isEnough = () => false,
  }: { after?: string; limit?: number; isEnough?: (told: readonly Told[]) => boolean } = {},
) {
  const abort = new AbortController();
  const response = await fetch(core.gateway.url + path, {
    headers: {
      authorization: `Bearer ${core.gateway.token}`,
      ...(after === undefined ? {} : { 'last-event-id': after }),
    },
    signal: abort.signal,
  });
  if (response.status !== 200) throw new Error(`Got ${response.status}: ${await response.text()}`);
  const told: Told[] = [];
  const gaps: unknown[] = [];
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      const end = text.lastIndexOf('\n\n') + 2;
      for (const { id, event, data } of parseSse(text.slice(0, end < 2 ? 0 : end))) {
        if (event === 'gap') gaps.push({ position: id, ...(data as object) });
        if (event !== 'events') continue;
        told.push({ position: id, ...(data as { readonly events: ConversationEvent[] }) });
        if (told.length >= limit || isEnough(told)) return { told, gaps };
      }
      text = end < 2 ? text : text.slice(end);
    }
  } finally {
    abort.abort();
  }
  return { told, gaps };
}

const eventsPath = (key: string, query = ''): string => `${pathOf(key)}/events${query}`;
const allOf = (told: readonly Told[]): ConversationEvent[] => told.flatMap(({ events }) => [...events]);
/** Joined deltas are what their parts were: what counts is their sum, and the order of the rest. */
function summary(events: readonly ConversationEvent[]): unknown[] {
  const list: unknown[] = [];
  for (const event of events) {
    const last = list.at(-1) as { type?: string; run?: string; text?: string } | undefined;
    if (event.type !== 'delta') list.push(event);
    else if (last?.type === 'delta' && last.run === event.run) last.text = (last.text ?? '') + event.text;
    else list.push({ type: 'delta', run: event.run, text: event.text });
  }
  return list;
}

describe('the messages', () => {
  test('come by pages, oldest first in each, every question before its answer, none twice and none missing', async () => {
    const key = await core.make('main');
    const texts = Array.from({ length: count({ quick: 80, all: 260 }) }, (_, i) => `number ${i}`);
    const wire = await core.wire();
    for (const [i, text] of texts.entries()) {
      expect((await wire.ask({ t: 'send', conversation: key, id: `m${i}`, text })).t).toBe('ok');
      await wire.untilSo(() => wire.of(key).end(`m${i}`));
    }
    const pages: (readonly MessageInfo[])[] = [];
    let before: string | null = null;
    do {
      const query: string = before === null ? '?limit=60' : `?limit=60&before=${before}`;
      const page: MessagePage = await core.must(200, `${pathOf(key)}/messages${query}`);
      pages.unshift(page.messages);
      before = page.before;
    } while (before !== null);
    const full = Math.floor((2 * texts.length) / 60);
    expect(pages.map(({ length }) => length)).toEqual([40, ...Array.from({ length: full }, () => 60)]);
    expect(pages.flat().map(({ role, text, run }) => [role, text, run])).toEqual(
      texts.flatMap((text, i) => [
        ['user', text, `m${i}`],
        ['assistant', text, `m${i}`],
      ]),
    );
    const refused = await core.ask(`${pathOf(key)}/messages?before=elsewhere`);
    expect(refused).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('who comes late', () => {
  test('sees the text in flight, and from there on exactly the rest', async () => {
    const key = await core.make('main');
    const words = Array.from({ length: count({ quick: 19, all: 25 }) }, (_, i) => `word${i}`).join(' ');
    await core.send(key, 'm1', `/slow ${words}`);
    await core.said(key, 'word4');
    const late = await Promise.all(
      [{ from: 'now' }, {}, { deltaIntervalMs: 0 }, { deltaIntervalMs: 700 }].map(async (asked, i) => {
        await core.said(key, `word${4 + i * 3}`);
        const wire = await core.wire();
        const { info } = await wire.ask({ t: 'follow', conversation: key, ...asked });
        return { wire, before: (info as { run: { text: string } }).run.text };
      }),
    );
    await core.end(key, 'm1');
    for (const { wire, before } of late) {
      expect(before).toMatch(/^word0 word1 /);
      const { events } = wire.of(key);
      await until('it has the end', () => events.some(({ type }) => type === 'final'));
      // Its deltas are the rest alone: together with what it was shown first they are the whole.
      const rest = events.flatMap((event) => (event.type === 'delta' ? [event.text] : []));
      expect(before + rest.join('')).toBe(words);
      expect(events.at(-1)).toMatchObject({ type: 'final', text: words });
    }
  }, 15_000);
});

describe('a position', () => {
  test('is where anybody goes on, wherever they were cut off, with nothing lost and nothing twice', async () => {
    const key = await core.make('acp');
    const slow = count({ quick: 20, all: 40 });
    const lines = [`slow ${slow}`, 'tool one', 'think deep', 'message and', 'slow 20', 'plan a, b', 'say end'].join(
      '\n',
    );
    await core.send(key, 'm1', lines);
    await core.send(key, 'm2', `slow ${count({ quick: 10, all: 30 })}`);
    const hasAll = (told: readonly Told[]): boolean =>
      allOf(told).some((event) => event.type === 'final' && event.run === 'm2');
    // While it streams: viewers that are cut off again and again.
    const viewers = Array.from({ length: count({ quick: 2, all: 4 }) }, async (_, i) => {
      const told: Told[] = [];
      let after: string | undefined;
      for (let cut = i + 1; ; cut = (cut * 7 + 3) % 11) {
        const query = `?deltaIntervalMs=${i * 10}&follow=1`;
        const part = await readEvents(eventsPath(key, query), {
          ...(after === undefined ? {} : { after }),
          limit: cut + 1,
          isEnough: hasAll,
        });
        told.push(...part.told);
        after = told.at(-1)?.position;
        if (hasAll(told)) return allOf(told);
      }
    });
    const seen = await Promise.all(viewers);
    const whole = allOf((await readEvents(eventsPath(key, '?follow=0'))).told);
    for (const events of seen) {
      new Transcript().take(events);
      expect(summary(events)).toEqual(summary(whole));
    }
    // And later, from any position that anybody was ever given.
    const { told } = await readEvents(eventsPath(key, '?follow=0&deltaIntervalMs=0'));
    await fc.assert(
      fc.asyncProperty(fc.nat(told.length - 1), async (at) => {
        const after = told[at]?.position ?? '';
        const rest = await readEvents(eventsPath(key, `?follow=0&position=${after}`));
        const joined = [...allOf(told.slice(0, at + 1)), ...allOf(rest.told)];
        expect(summary(joined)).toEqual(summary(whole));
      }),
      { numRuns: count({ quick: 6, all: 15 }) },
    );
  }, 20_000);

  inAll(
    'of server-sent events goes on over a kill of the gateway in mid-stream, twice',
    async () => {
      const key = await core.make('acp');
      await core.send(key, 'm1', 'slow 120\nsay end');
      const told: Told[] = [];
      // The agent goes on while the gateway is away: where that takes long, what is left comes in one piece.
      for (const limit of [3, 1]) {
        const after = told.at(-1)?.position;
        const part = await readEvents(eventsPath(key), { ...(after === undefined ? {} : { after }), limit });
        told.push(...part.told);
        await core.restart();
      }
      const run = await core.end(key, 'm1');
      expect(run).toMatchObject({ state: 'final' });
      expect(run.text).toBe(`${Array.from({ length: 120 }, (_, i) => `${i + 1} `).join('')}end`);
      const rest = await readEvents(eventsPath(key, '?follow=0'), { after: told.at(-1)?.position ?? '' });
      const transcript = new Transcript();
      transcript.take([...allOf(told), ...allOf(rest.told)]);
      expect(transcript.end('m1')).toMatchObject({ text: run.text });
      expect(summary(transcript.events)).toEqual(summary((await core.log(key)).events));
    },
    20_000,
  );

  test('of one run alone gives that run and ends with it', async () => {
    const key = await core.make('main');
    for (const id of ['m1', 'm2', 'm3']) {
      await core.send(key, id, `said ${id}`);
      await core.end(key, id);
    }
    const { told } = await readEvents(eventsPath(key, '?run=m2'));
    expect(allOf(told).map(({ type }) => type)).toEqual(['message_delivered', 'run_started', 'delta', 'final']);
    expect(JSON.stringify(told)).toContain('said m2');
    expect(JSON.stringify(told)).not.toContain('said m3');
    expect(await core.ask(eventsPath(key, '?run=m9'))).toMatchObject({ status: 404, code: 'run_not_found' });
  });
});

describe('after a kill of the gateway', () => {
  test('everything is as it was: messages, runs, events, positions', async () => {
    const key = await core.make('acp', { title: 'kept' });
    const gate = gateIn(core, 'kept');
    await core.send(key, 'm1', 'say hello\ntool it\nusage 0.25');
    await core.end(key, 'm1');
    await core.send(key, 'm2', 'fail on purpose');
    await core.end(key, 'm2');
    await core.send(key, 'm3', 'say half\nidle');
    await core.said(key, 'half');
    await core.abort(key, 'm3');
    const shell = await core.make('shell');
    await core.send(shell, 'm1', untilGate(gate, 'now', 'then'));
    await core.said(shell, 'now');
    const look = async () => ({
      info: await core.info(key),
      messages: await core.history(key),
      runs: await Promise.all(['m1', 'm2', 'm3'].map((id) => core.run(key, id))),
      events: (await readEvents(eventsPath(key, '?follow=0&deltaIntervalMs=0'))).told,
      running: { ...(await core.run(shell, 'm1')) },
    });
    const before = await look();
    expect(before.runs.map(({ state }) => state)).toEqual(['final', 'error', 'aborted']);
    await core.restart();
    const after = await look();
    // The agent's process of the aborted run may have been told to end; nothing else moves.
    expect(after.messages).toEqual(before.messages);
    expect(after.runs).toEqual(before.runs);
    expect(after.running).toEqual(before.running);
    expect(after.events.slice(0, before.events.length)).toEqual(before.events);
    expect(after.info).toMatchObject({ title: 'kept', epoch: before.info.epoch, queue: [], run: null });
    openGate(gate);
    expect(await core.end(shell, 'm1')).toMatchObject({ state: 'final', text: 'now\nthen' });
  });
});

describe('retention', () => {
  inAll(
    'does not take the words of a run that is under way from a gateway that was killed meanwhile',
    async () => {
      const key = await core.make('late');
      const early = (await core.info(key)).position;
      // The first words are gone from the log when the calls have been made.
      await core.send(key, 'm1', 'bulk 160');
      await core.said(key, 'and at last');
      const { gaps } = await readEvents(eventsPath(key, `?follow=0&position=${early}`));
      expect(gaps).toMatchObject([{ reason: 'retention' }]);
      expect((await core.info(key)).run?.text).toBe('in time\n\n and at last');
      await core.restart();
      expect((await core.info(key)).run?.text).toBe('in time\n\n and at last');
      await core.abort(key, 'm1');
      expect((await core.end(key, 'm1')).text).toBe('in time\n\n and at last');
    },
    30_000,
  );

  test('takes the oldest events, says so to who asks for them, and leaves every message in the history', async () => {
    const key = await core.make('main');
    const early = (await core.info(key)).position;
    // Each is about a MiB of log: the message, its deltas, its end.
    const text = 'many words of it '.repeat(13_000);
    const wire = await core.wire();
    const messages = count({ quick: 8, all: 12 });
    for (let i = 0; i < messages; i += 1) {
      await wire.ask({ t: 'send', conversation: key, id: `m${i}`, text: `${i} ${text}` });
      await wire.untilSo(() => wire.of(key).end(`m${i}`));
    }
    const { told, gaps } = await readEvents(eventsPath(key, `?follow=0&position=${early}`));
    expect(gaps).toMatchObject([{ reason: 'retention' }]);
    const kept = allOf(told).flatMap((event) => (event.type === 'final' ? [event.run] : []));
    expect(kept.at(-1)).toBe(`m${messages - 1}`);
    expect(kept).not.toContain('m0');
    // From the beginning of what is kept there is no gap.
    expect((await readEvents(eventsPath(key, '?follow=0'))).gaps).toEqual([]);
    const late = await core.wire();
    await late.ask({ t: 'follow', conversation: key, from: early });
    expect(await late.until((frame) => frame.t === 'events_gap')).toMatchObject({
      conversation: key,
      reason: 'retention',
    });
    await until('every message is there', async () => (await core.history(key)).length === 2 * messages);
    const [first, answer] = await core.history(key);
    expect(first?.text).toBe(`0 ${text}`);
    expect(answer?.text).toBe(`0 ${text}`);
    // Also of a run whose events are gone.
    expect(await core.run(key, 'm0')).toMatchObject({ state: 'final', text: `0 ${text}` });
    const gone = await readEvents(eventsPath(key, '?run=m0'));
    expect(allOf(gone.told).filter((event) => event.type === 'final')).toEqual([]);
    await core.restart();
    expect((await core.history(key)).length).toBe(2 * messages);
    expect(await core.send(key, 'm0', `0 ${text}`)).toMatchObject({ duplicate: true });
  }, 30_000);
});
