// What sessions are doing, with real gateways, runners and programs: what lists say, and who is told of it when.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionActivity, SessionInfo, TimelineMark } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { emitted } from '../traffic/traffic.fixture.ts';

const QUIET_MS = 700;
const SETTLE_MS = count({ quick: 900, all: 1500 });
const TIMES = { activityTimes: { quietMs: QUIET_MS, settleMs: SETTLE_MS, echoMs: 400, readMs: 50, publishMs: 300 } };
let gateway: Gateway | GatewayProcess;
beforeAll(async () => {
  gateway = await openGateway(TIMES);
});
afterAll(() => gateway.close());

const shell = (command: string, more: object = {}): Promise<SessionInfo> =>
  gateway.create({ argv: ['/bin/bash', '--norc', '--noprofile', '-c', command], ...more });
const activityOf = async (id: string): Promise<SessionActivity | null> => (await gateway.info(id)).activity;
const becomes = async (id: string, state: string | undefined, text?: string): Promise<SessionActivity> => {
  let seen: SessionActivity | null = null;
  await until(`${id} is ${state} ${text ?? ''}`, async () => {
    seen = await activityOf(id);
    return seen?.state === state && (text === undefined || seen?.text === text);
  });
  return seen as unknown as SessionActivity;
};

describe.concurrent('what a session is doing', { timeout: 30_000 }, () => {
  it('is what a shell says that marks its prompts: echo is no work, and silence in a command is', async () => {
    const rc = join(gateway.dir, 'marked.rc');
    writeFileSync(
      rc,
      String.raw`PS1='\[\e]133;A\a\]$ \[\e]133;B\a\]'; PS0='\e]133;C\a'; PROMPT_COMMAND='printf "\e]133;D;$?\a"'`,
    );
    const { id } = await gateway.create({ argv: ['/bin/bash', '--noprofile', '--rcfile', rc, '-i'] });
    const idle = await becomes(id, 'idle');
    await gateway.input(id, 'read -r -d . < /dev/fd/0 &> /dev/null; ec');
    await gateway.seen(id, 'ec');
    expect(await activityOf(id)).toEqual(idle);
    const pipe = join(gateway.dir, 'marked.fifo');
    await gateway.input(id, `\x15mkfifo ${pipe}; cat ${pipe}\n`);
    const working = await becomes(id, 'working');
    // Longer than any silence that would end it elsewhere.
    await until('it has been silent for long', () => Date.now() > working.since + 3 * QUIET_MS);
    expect(await activityOf(id)).toEqual(working);
    writeFileSync(pipe, '');
    await becomes(id, 'idle');
  });

  it('is waiting with the words of a notification at once, until somebody answers', async () => {
    const { id } = await shell(String.raw`printf '\e]9;The agent needs you\a'; read x; sleep 1000`);
    await becomes(id, 'waiting_input', 'The agent needs you');
    await gateway.input(id, 'y\n');
    await becomes(id, 'working');
    await becomes(id, 'idle');
  });

  it('is waiting when it asks something and is quiet, and once it has rung and is quiet', async () => {
    const asks = await shell(`printf 'Delete it all? [y/N] '; read x; sleep 1000`);
    const rings = await shell(String.raw`echo done; printf '\a'; sleep 1000`);
    const plain = await shell('echo done; sleep 1000');
    await becomes(asks.id, 'waiting_input', 'Delete it all? [y/N]');
    expect((await becomes(rings.id, 'waiting_input')).text).toBeNull();
    await becomes(plain.id, 'idle');
    await gateway.input(asks.id, 'y\n');
    await becomes(asks.id, 'idle');
  });

  it('is what its program reports, which the terminal says that it may', async () => {
    // The program asks its terminal without an echo, as others do. The answer ends in a backslash.
    const { id } = await shell(
      String.raw`stty raw -echo; printf '\e]7501;?\e\\'; IFS= read -r -d '\' answer
        [[ $answer == *'7501;?'* ]] && printf '\e]7501;state=blocked:app=x:kind=permission:msg=UnVuIGxzPw==\e\\'
        read -r -n 1 x; printf '\e]7501;state=done\e\\'; sleep 1000`,
    );
    await becomes(id, 'waiting_approval', 'Run ls?');
    await gateway.input(id, 'y');
    await becomes(id, 'idle');
  });

  it('is waiting with the dialog on its screen, while something blinks there, and not with one that is shown in a file', async () => {
    const dialog = String.raw`printf '\r\nDo you want to proceed?\r\n \e[7m❯ 1. Yes\e[0m\r\n   2. No\r\n\r\n Esc to cancel\r\n'`;
    const asks = await shell(
      `${dialog}; for i in $(seq ${count({ quick: 26, all: 40 })}); do printf '\\e7\\e[1;40H*\\e8'; sleep 0.05; done; read x; clear; sleep 1000`,
    );
    const shows = await shell(`${dialog}; echo That is what it looks like.; sleep 1000`);
    await becomes(asks.id, 'waiting_approval', 'Do you want to proceed?');
    await becomes(shows.id, 'idle');
    await gateway.input(asks.id, '\n');
    await becomes(asks.id, 'idle');
  });

  inAll('is seen behind a flood as well, and is null when it does not run any more', async () => {
    const { id } = await shell(
      String.raw`head -c 20000000 /dev/zero | tr '\0' x; printf '\e]777;notify;Flood;is over\a'; read x`,
    );
    await becomes(id, 'waiting_input', 'Flood: is over');
    await gateway.input(id, '\n');
    await gateway.closed(id);
    expect(await activityOf(id)).toBeNull();
  });

  it('is known of a session that runs elsewhere', async () => {
    const response = 'working\u001b]9;look here\u0007';
    const id = await emitted(gateway, { session_id: 'elsewhere-1', source: 'a-host', response });
    await becomes(id, 'waiting_input', 'look here');
  });

  it('is told to who watches: that it waits at once, a program that changes all the time now and then', async () => {
    const frames = await gateway.frames();
    await frames.ask({ t: 'watch', on: true });
    const { id } = await shell(
      String.raw`for i in $(seq ${count({ quick: 20, all: 50 })}); do printf '\e]133;A\a'; sleep 0.02; printf '\e]133;C\a'; sleep 0.02; done; printf '\e]9;over\a'; read x`,
    );
    const from = performance.now();
    await frames.next((frame) => frame.t === 'session' && frame.info.id === id && frame.info.activity?.text === 'over');
    const told = frames.all.filter(
      (frame) => frame.t === 'session' && frame.info?.id === id && frame.info.activity !== null,
    );
    // One a `publishMs`, the first and the last, and its start.
    expect(told.length).toBeLessThanOrEqual((performance.now() - from) / 300 + 4);
  });

  it('is what the list is asked for, with words and labels beside it, a page at a time', async () => {
    const names = await Promise.all(
      [1, 2, 3].map((n) => shell(`printf 'Name ${n}? '; read x`, { name: `asking ${n}` })),
    );
    const done = await shell('true', { name: 'asking no more' });
    const far = {
      session_id: 'elsewhere-2',
      source: 'a-host',
      labels: { team: 'red' },
      response: '\u001b]9;asking\u0007',
    };
    const foreign = await emitted(gateway, far);
    for (const { id } of names) await becomes(id, 'waiting_input');
    await becomes(foreign, 'waiting_input');
    await gateway.closed(done.id);
    const listed = async (query: string): Promise<{ ids: string[]; next: string | null }> => {
      const { json, text } = await gateway.ask(`/v1/sessions?${query}`);
      expect(json.sessions, text).toBeDefined();
      return { ids: json.sessions.map((one: SessionInfo) => one.id), next: json.next };
    };
    const newestFirst = names
      .map(({ id }) => id)
      .sort()
      .reverse();
    expect(await listed('activity=waiting&q=ASKING')).toEqual({ ids: newestFirst, next: null });
    expect(await listed('activity=waiting&label=team%3Dred')).toEqual({ ids: [foreign], next: null });
    expect((await listed('label=team')).ids).toEqual([foreign]);
    expect((await listed('label=team%3Dblue')).ids).toEqual([]);
    expect((await listed('activity=exited&q=asking%20more')).ids).toEqual([done.id]);
    expect((await listed('activity=waiting')).ids).toEqual(expect.arrayContaining([...newestFirst, foreign]));
    for (const other of ['working', 'idle']) {
      expect((await listed(`activity=${other}`)).ids).not.toEqual(expect.arrayContaining([newestFirst[0]]));
    }
    const paged: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const page = await listed(`activity=waiting&q=asking&limit=2${after === '' ? '' : `&after=${after}`}`);
      paged.push(...page.ids);
      after = page.next;
    }
    expect(paged).toEqual(newestFirst);
    expect((await gateway.ask('/v1/sessions?activity=asleep')).code).toBe('bad_request');
    expect((await gateway.ask(`/v1/sessions?q=${'x'.repeat(201)}`)).code).toBe('bad_request');
    const viewer = (await gateway.tokenOf('view')).token;
    expect(
      (await gateway.ask('/v1/sessions?activity=waiting', { token: viewer })).json.sessions.length,
    ).toBeGreaterThan(3);
  });
});

describe.concurrent('labels of a session that runs here', { timeout: 30_000 }, () => {
  it('are told with it, found by, and judged like those of an emitter; guests of a share link see them', async () => {
    const labels = { job: '42', 'a=b': 'c=d', empty: '' };
    const { id } = await shell('read x', { name: 'labelled', labels });
    const plain = await shell('read x', { name: 'plain' });
    expect((await gateway.info(id)).labels).toEqual(labels);
    expect((await gateway.info(plain.id)).labels).toEqual({});
    const far = await emitted(gateway, { session_id: 'elsewhere-3', source: 'a-host', labels: { job: '43' } });
    const there = await gateway.info(far);
    expect([there.labels, there.foreign?.labels]).toEqual([{ job: '43' }, { job: '43' }]);
    const listed = async (query: string): Promise<string[]> =>
      (await gateway.ask(`/v1/sessions?${query}`)).json.sessions.map((one: SessionInfo) => one.id);
    expect(await listed('label=job')).toEqual([far, id]);
    expect(await listed('label=job%3D42')).toEqual([id]);
    expect(await listed('label=a%3Db')).toEqual([id]);
    expect(await listed('q=job%3D42')).toEqual([id]);
    expect(await listed('label=job%3D4')).toEqual([]);
    const share = await gateway.ask('/v1/shares', { method: 'POST', body: { session: id } });
    const { secret } = share.json;
    const guest = await gateway.ask('/v1/shares/redeem', { method: 'POST', body: { secret } });
    const seen = await gateway.ask(`/v1/sessions/${id}`, { token: guest.json.credential });
    expect(seen.json.labels, seen.text).toEqual(labels);
    const refused: [string, object, RegExp][] = [
      ['too many', Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, ''])), /more than 16/],
      ['a long name', { ['k'.repeat(65)]: '' }, /64/],
      ['a long value', { k: 'v'.repeat(257) }, /256/],
      ['two lines', { k: 'a\nb' }, /more than one line/],
      ['a prototype', JSON.parse('{"__proto__": "x"}'), /__proto__/],
    ];
    for (const [about, wrong, why] of refused) {
      const body = { argv: ['true'], labels: wrong };
      const answer = await gateway.ask('/v1/sessions', { method: 'POST', body });
      expect([about, answer.code], answer.text).toEqual([about, 'bad_request']);
      expect(answer.text).toMatch(why);
      expect(answer.text.length).toBeLessThan(1000);
    }
  });
});

inAll(
  'what a session was doing survives a kill -9 of the gateway: who waited waits since then, and who was answered does not',
  async () => {
    const killed = await openGatewayProcess(TIMES);
    gateway = killed;
    const notified = await shell(String.raw`printf '\e]9;still waiting\a'; read x; sleep 1000`);
    const labels = { kept: 'yes' };
    const labelled = await shell('read x', { labels });
    const answered = await shell(String.raw`printf '\e]9;answer me\a'; read x; sleep 1000`);
    const rings = await shell(String.raw`sleep 0.1; printf '\a'; sleep 1000`);
    const quiet = await shell('echo nothing; sleep 1000');
    const before = await becomes(notified.id, 'waiting_input', 'still waiting');
    const rung = await becomes(rings.id, 'waiting_input');
    await becomes(quiet.id, 'idle');
    await becomes(answered.id, 'waiting_input');
    await gateway.input(answered.id, 'y\n');
    await becomes(answered.id, 'idle');
    await until('what was typed is in the log', async () =>
      (await gateway.ask(`/v1/sessions/${answered.id}/export?format=jsonl&input=1`)).text.includes('"input"'),
    );
    await killed.kill();
    await killed.start();
    expect((await gateway.info(labelled.id)).labels).toEqual(labels);
    expect(await becomes(notified.id, 'waiting_input')).toEqual(before);
    expect((await becomes(rings.id, 'waiting_input')).since).toBeCloseTo(rung.since, -3);
    await becomes(quiet.id, 'idle');
    await becomes(answered.id, 'idle');
    // When they began is looked back at: once each, though two gateways have seen it.
    const waits = async (id: string) =>
      (await gateway.ask(`/v1/sessions/${id}/timeline`)).json.marks.filter(
        ({ kind }: TimelineMark) => kind === 'waiting',
      );
    const text = 'still waiting';
    expect(await waits(notified.id)).toEqual([
      { kind: 'waiting', time: before.since, offset: expect.any(Number), text },
    ]);
    expect(await waits(rings.id)).toMatchObject([{ time: rung.since, text: '' }]);
    expect(await waits(answered.id)).toMatchObject([{ text: 'answer me' }]);
    expect(await waits(quiet.id)).toEqual([]);
  },
);
