// A hundred people with five connections each, everybody busy: nobody gets a word of a stranger's, nobody misses one of
// their own.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { asJson, pathOf, Wire, withJson, writeConfig } from './conversation.fixture.ts';

const USERS = count({ quick: 8, all: 100 });
const ROUNDS = count({ quick: 3, all: 4 });

interface Person {
  readonly user: string;
  readonly token: string;
  /** Sends. */
  readonly sender: Wire;
  /** Watches, and is told of runs that its user starts elsewhere. */
  readonly watcher: Wire;
  /** Follows its conversations from the start. */
  readonly follower: Wire;
  /** Asks for nothing. */
  readonly idle: Wire;
  /** Follows, breaks off, comes back at its position. */
  returning: Wire;
  readonly returned: Wire[];
  /** Its own, the one it shares with its neighbour, and its neighbour's. */
  readonly own: string;
  readonly shared: string;
  readonly mayAlsoSee: string;
}

/** The same numbers in every run: a failure can be looked at again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({
    prepare: (dir) =>
      writeConfig(dir, {
        agents: {
          entries: {
            main: { driver: 'echo', default: true },
            open: { driver: 'echo', visibility: { kind: 'everyone' } },
            closed: { driver: 'echo' },
          },
        },
        bindings: [
          { agentId: 'open', match: { channel: 'news' } },
          { agentId: 'closed', match: { channel: 'secret' } },
        ],
      }),
  });
});
afterAll(() => gateway.close());

async function makePerson(i: number): Promise<Person> {
  const user = `user${i}`;
  const body = withJson({ name: `token of ${user}`, scope: 'input', user });
  const { token } = await asJson<{ token: string }>(gateway.fetch('/v1/tokens', body), 201);
  const make = async (asked: object): Promise<string> =>
    (await asJson<{ key: string }>(gateway.fetch('/v1/conversations', withJson(asked, token)), 201)).key;
  const neighbour = (n: number): string => `user${i < USERS ? (n + USERS) % USERS : n}`;
  const own = await make({ name: 'own' });
  const shared = await make({ name: 'shared', visibility: { kind: 'shared', with: [neighbour(i + 1)] } });
  const open = (): Promise<Wire> => Wire.open(gateway.url, token);
  const [sender, watcher, follower, idle, returning] = await Promise.all([open(), open(), open(), open(), open()]);
  await watcher.ask({ t: 'watch_conversations', on: true, runs: true });
  for (const wire of [follower, returning]) {
    for (const conversation of [own, shared]) await wire.ask({ t: 'follow', conversation, from: 'start' });
  }
  const mayAlsoSee = `agent:main:user:${neighbour(i - 1)}:shared`;
  return { user, token, sender, watcher, follower, idle, returning, returned: [], own, shared, mayAlsoSee };
}

describe('only-yours', () => {
  test(`${USERS} users with 5 connections each see all of their runs and nothing of any other`, async () => {
    const people = await Promise.all(Array.from({ length: USERS }, (_, i) => makePerson(i)));
    const dice = random(4);
    /** Runs by conversation, and who sent them. */
    const runs: { readonly id: string; readonly key: string; readonly by: Person }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await Promise.all(
        people.map(async (person, i) => {
          const id = `r${round}-${i}`;
          const key = dice() < 0.7 ? person.own : person.shared;
          const kind = dice();
          const wire = dice() < 0.8 ? person.sender : person.watcher;
          const text =
            kind < 0.5 ? `hello from ${person.user} in round ${round}` : `/slow ${'word '.repeat(40)}of ${person.user}`;
          const answer = await wire.ask({
            t: 'send',
            conversation: key,
            id,
            text,
            ...(kind > 0.9 ? { timeoutMs: 100 } : {}),
          });
          expect(answer.t).toBe('ok');
          runs.push({ id, key, by: person });
          if (kind > 0.5 && kind < 0.6) await wire.ask({ t: 'abort', conversation: key, run: id });
          else if (kind < 0.7) await wire.ask({ t: 'abort', conversation: key });
          else if (kind < 0.8) await wire.ask({ t: 'send', conversation: key, id: `${id}-stop`, text: 'stop!' });
          else if (kind < 0.9) await asJson(gateway.fetch(`${pathOf(key)}/abort`, withJson({}, person.token)));
          if (dice() < 0.3) await comeBack(person);
        }),
      );
      // A channel's message goes to whoever may see where it went, and to nobody else.
      for (const channel of ['news', 'secret']) {
        const message = {
          channel,
          peer: { kind: 'group', id: 'g' },
          text: `from ${channel} ${round}`,
          id: `${channel}-${round}`,
        };
        await asJson(gateway.fetch('/v1/inbound', withJson(message)), 202);
      }
    }
    // Everybody sees the end of all that is theirs: an abort also takes back what still waited behind another run.
    for (const { id, key, by } of runs) {
      await by.follower.untilSo(() => by.follower.of(key).isOver(id), 60_000);
      await by.returning.untilSo(() => [...by.returned, by.returning].some((wire) => wire.of(key).isOver(id)), 60_000);
      // Of what never began a run it hears nothing.
      if (by.follower.of(key).end(id) === undefined) continue;
      await by.watcher.untilSo(() => by.watcher.of(key).end(id), 60_000);
    }
    const news = 'agent:open:news:group:g';
    for (const { watcher } of people) {
      await until(
        'the news have come',
        () => watcher.of(news).events.filter(({ type }) => type === 'final').length === ROUNDS,
      );
    }
    for (const person of people) {
      const { sender, watcher, follower, idle, returning, returned } = person;
      expect(idle.frames.filter(({ t }) => t !== 'hello' && t !== 'ping')).toEqual([]);
      const seen = (wire: Wire): string[] => [...wire.transcripts.keys()].sort();
      const mine = [person.own, person.shared].sort();
      for (const wire of [follower, returning, ...returned]) for (const key of seen(wire)) expect(mine).toContain(key);
      for (const key of seen(sender)) expect(mine).toContain(key);
      for (const key of seen(watcher)) expect([...mine, news]).toContain(key);
      // Changes are told of what may be seen, which is no more than that.
      const told = watcher.frames
        .filter(({ t }) => t === 'conversation')
        .map(({ info }) => (info as { key: string }).key);
      for (const key of new Set(told)) expect([...mine, person.mayAlsoSee, news]).toContain(key);
      // Every word of what others said would show here.
      for (const wire of [sender, watcher, follower, returning, ...returned]) {
        expect(wire.failures).toEqual([]);
        const words = JSON.stringify([...wire.transcripts.values()].map(({ events }) => events));
        for (const other of words.match(/user\d+/g) ?? []) expect(other).toBe(person.user);
        expect(words).not.toContain('from secret');
      }
      for (const wire of [sender, watcher, follower, idle, returning]) wire.close();
    }
  }, 240_000);

  test('A foreign conversation is answered as one that is not there, byte for byte, on every road', async () => {
    const [a, b] = await Promise.all([makePerson(1000), makePerson(1001)]);
    const roads: readonly [string, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { title: 'x' }],
      ['DELETE', ''],
      ['POST', '/messages', { text: 'x' }],
      ['GET', '/messages'],
      ['GET', '/messages/x'],
      ['PATCH', '/messages/x', { text: 'x' }],
      ['DELETE', '/messages/x'],
      ['GET', '/runs/x'],
      ['DELETE', '/runs/x'],
      ['POST', '/abort', {}],
      ['POST', '/approvals/x', { option: 'x' }],
      ['GET', '/lease'],
      ['POST', '/lease', { action: 'acquire' }],
      ['POST', '/notes', { text: 'x' }],
      ['GET', '/events'],
    ];
    const ask = async (key: string, [method, path, body]: (typeof roads)[number]) => {
      const response = await gateway.fetch(`${pathOf(key)}${path}`, {
        method,
        headers: { authorization: `Bearer ${b.token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.text() };
    };
    for (const road of roads) {
      const foreign = await ask(a.own, road);
      expect(foreign, road.join(' ')).toEqual(await ask('agent:main:user:nobody:own', road));
      expect(foreign.status).toBe(404);
    }
    for (const t of ['follow', 'send', 'abort', 'answer']) {
      const frame = { t, id: 'x', text: 'x', approval: 'x', option: 'x' };
      const foreign = await b.sender.ask({ ...frame, conversation: a.own });
      const unknown = await b.sender.ask({ ...frame, conversation: 'agent:main:user:nobody:own' });
      const strip = ({ error, t: kind }: { readonly error?: unknown; readonly t: string }) => ({ error, kind });
      expect(strip(foreign)).toEqual(strip(unknown));
      expect(foreign.error).toMatchObject({ code: 'conversation_not_found' });
    }
  });

  test('Who may not see it any more is told nothing from that moment on', async () => {
    const [a, b] = await Promise.all([makePerson(1002), makePerson(1003)]);
    await b.follower.ask({ t: 'follow', conversation: a.shared, from: 'start' });
    await a.sender.ask({ t: 'send', conversation: a.shared, id: 'm1', text: 'for both' });
    await b.follower.untilSo(() => b.follower.of(a.shared).end('m1'));
    const events = await gateway.fetch(`${pathOf(a.shared)}/events`, {
      headers: { authorization: `Bearer ${b.token}` },
    });
    const change = { ...withJson({ visibility: { kind: 'private' } }, a.token), method: 'PATCH' };
    await asJson(gateway.fetch(pathOf(a.shared), change));
    await b.follower.until(({ t, conversation }) => t === 'error' && conversation === a.shared);
    expect(await events.text()).toContain('conversation_not_found');
    await a.sender.ask({ t: 'send', conversation: a.shared, id: 'm2', text: 'for me alone' });
    await a.follower.untilSo(() => a.follower.of(a.shared).end('m2'));
    expect(b.follower.of(a.shared).end('m2')).toBeUndefined();
    expect(JSON.stringify(b.follower.frames)).not.toContain('for me alone');
  });
});

async function comeBack(person: Person): Promise<void> {
  const { returning } = person;
  returning.terminate();
  await returning.untilSo(() => returning.closeCode !== undefined);
  const wire = await Wire.open(gateway.url, person.token);
  person.returned.push(returning);
  // The next one knows what this one was shown.
  for (const key of [person.own, person.shared]) {
    wire.of(key).goOnFrom(returning.of(key));
    const position = returning.positions.get(key);
    if (position !== undefined) wire.positions.set(key, position);
    await wire.ask({ t: 'follow', conversation: key, from: position ?? 'start' });
  }
  person.returning = wire;
}
