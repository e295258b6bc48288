// Search and stored traffic over a real gateway: real programs, real emitters, kill -9, and who may see what.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { SearchHit, SearchResult, StoredEventList, TrafficStats } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../packages/server/src/store/sqlite.ts';
import { count, inAll, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { Reply } from '../support/gateway-access.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const BINARY = resolve(import.meta.dirname, '../../packages/cli/dist/binnacle.mjs');

/** In `npm test` in the process of the tests: what is killed there is the index, in index-process.test.ts. */
let gateway: Gateway | GatewayProcess;
let configDir: string;
beforeAll(async () => {
  configDir = mkdtempSync(join(tmpdir(), 'binnacle-search-'));
  const configPath = join(configDir, 'config.jsonc');
  const entries = { main: { driver: 'echo', default: true } };
  writeFileSync(configPath, JSON.stringify({ agents: { entries } }), { mode: 0o600 });
  gateway = await (isAll ? openGatewayProcess({ configPath }) : openGateway({ configPath, logLevel: 'fatal' }));
});
afterAll(async () => {
  await gateway.close();
  rmSync(configDir, { recursive: true, force: true });
});

/** Ends the gateway: by SIGKILL where it is a process of its own. */
const end = (): Promise<void> => ('kill' in gateway ? gateway.kill() : gateway.stop());

const ask = (path: string, query: object, token = gateway.token): Promise<Reply> =>
  gateway.ask(`${path}?${new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)]))}`, { token });

async function search(q: string, more: object = {}, token = gateway.token): Promise<SearchResult> {
  const { status, json, text } = await ask('/v1/search', { q, ...more }, token);
  if (status !== 200) throw new Error(text);
  return json;
}

/** Until the index has it. */
async function found(q: string, more: object = {}, token = gateway.token): Promise<SearchHit[]> {
  let hits: readonly SearchHit[] = [];
  await until(`"${q}" is found`, async () => {
    const { status, json } = await ask('/v1/search', { q, ...more }, token);
    hits = status === 200 ? json.hits : [];
    return hits.length > 0;
  });
  return [...hits];
}

/** Until all that was written is in the index. Its own words are the last ones that it takes. */
async function settled(): Promise<void> {
  const word = `settled${Math.random().toString(36).slice(2)}`;
  const { id } = await gateway.create({ argv: ['/bin/echo', word], mode: 'pipe' });
  await found(word);
  await until('the index has everything', async () => {
    const { status, json } = await ask('/v1/search', { q: word });
    return status === 200 && json.behindBytes === 0;
  });
  await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
}

const emit = (...events: object[]): Promise<Reply> => gateway.ask('/v1/pty-traffic/emit', { body: { events } });

describe('search', () => {
  it('finds what a program in a terminal wrote, and where: output from there begins with that line', async () => {
    const script = `seq 1 2000; printf 'the \\033[1mgolden\\033[0m fleece\\n'; seq 1 2000`;
    const { id } = await gateway.create({ command: script, name: 'argo' });
    await gateway.closed(id);
    const [hit, ...others] = await found('"golden fleece"');
    expect(others).toEqual([]);
    expect(hit).toMatchObject({ session: id, name: 'argo', foreign: null, matches: [[4, 17]] });
    expect(hit?.snippet.startsWith('the golden fleece\n1\n2\n')).toBe(true);
    expect(Math.abs((hit?.time ?? 0) - Date.now())).toBeLessThan(60_000);
    const { text } = await gateway.ask(`/v1/sessions/${id}/output?since=${hit?.offset}`);
    expect(text.startsWith('the \x1b[1mgolden\x1b[0m fleece\r\n1\r\n')).toBe(true);
  });

  it('finds what was written a moment ago, or says that the index is behind', async () => {
    await settled();
    const flag = join(configDir, 'written');
    // The last output of a running program without a viewer, which its runner has not reported, and of an ended one.
    const running = await gateway.create({
      command: `echo one; sleep 0.1; echo fresh$((1+1))bread; touch ${flag}; exec sleep 1000`,
    });
    await until('it is written', () => existsSync(flag));
    const first = await search('fresh2bread');
    expect([first.hits.length, first.behindBytes]).not.toEqual([0, 0]);
    const { id } = await gateway.create({ argv: ['/bin/echo', 'lastcrumbs'], mode: 'pipe' });
    await gateway.closed(id);
    const second = await search('lastcrumbs');
    expect([second.hits.length, second.behindBytes]).not.toEqual([0, 0]);
    await found('fresh2bread');
    await found('lastcrumbs');
    await gateway.ask(`/v1/sessions/${running.id}`, { method: 'DELETE' });
  });

  it('knows nothing of escape sequences, however they are cut', async () => {
    const script = `for part in 'ante\\033' '[3' '1mlope\\033]0;hid' 'den\\007 runs\\n'; do printf "$part"; sleep 0.15; done`;
    const { id } = await gateway.create({ command: script, mode: 'pipe' });
    await gateway.closed(id);
    await until('the whole line is found', async () => (await search('antelope runs')).hits.length > 0);
    expect((await search('antelope')).hits).toMatchObject([{ session: id, snippet: 'antelope runs' }]);
    for (const q of ['hidden', '31mlope', 'den']) expect((await search(q)).hits).toEqual([]);
  });

  it('finds the newest first, in pages, and by session', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { id } = await gateway.create({ argv: ['/bin/echo', `marathon ${i}`], mode: 'pipe' });
      ids.unshift(id);
      await gateway.closed(id);
    }
    await until('all are found', async () => (await search('marathon')).hits.length === 3);
    expect((await search('marathon')).hits.map(({ session }) => session)).toEqual(ids);
    const first = await search('marathon', { limit: 2 });
    const second = await search('marathon', { limit: 2, after: first.next });
    expect([...first.hits, ...second.hits].map(({ session }) => session)).toEqual(ids);
    expect(second.next).toBeNull();
    expect((await search('marathon', { session_id: ids[1] })).hits.map(({ session }) => session)).toEqual([ids[1]]);
    expect((await search('marathon -2')).hits.map(({ session }) => session)).toEqual(ids.slice(1));
  });

  it('is gone with the session', async () => {
    const { id } = await gateway.create({ command: 'echo ephemeral; cat', mode: 'pipe' });
    expect(await found('ephemeral')).toHaveLength(1);
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    expect((await search('ephemeral')).hits).toEqual([]);
  });

  it('answers what cannot be searched for with a code', async () => {
    for (const q of ['', ' ', '-only', '()+$', 'a*', '(a+)+$'.repeat(500), 'w '.repeat(40)]) {
      expect((await ask('/v1/search', { q })).code).toBe('bad_query');
    }
    const query = encodeURIComponent('(a+)+$'.repeat(8500));
    const huge = await new Promise<number>((done, failed) => {
      const headers = { authorization: `Bearer ${gateway.token}` };
      const asking = request(`${gateway.url}/v1/search?q=${query}`, { headers }, (answer) => {
        answer.resume();
        done(answer.statusCode ?? 0);
      });
      asking.on('error', failed).end();
    });
    expect(huge).toBe(431);
    const wrong = [{ limit: 0 }, { limit: 51 }, { limit: 'x' }, { after: '!' }, { colour: 1 }];
    for (const more of wrong) expect((await ask('/v1/search', { q: 'x', ...more })).code).toBe('bad_request');
    expect((await ask('/v1/search', {})).code).toBe('bad_request');
    expect((await ask('/v1/search', { q: '(a+)+$' })).status).toBe(200);
  });

  it('only-yours: never finds a terminal of a conversation that one may not see', async () => {
    const tokens = await Promise.all(
      ['ann', 'bob'].map(async (user) => {
        const body = { name: user, scope: 'create', user };
        return (await gateway.ask('/v1/tokens', { body })).json.token as string;
      }),
    );
    const [ann = '', bob = ''] = tokens;
    const made = await gateway.ask('/v1/conversations', { body: { name: 'plans' }, token: ann });
    expect(made.status).toBe(201);
    const { id } = await gateway.create({ command: 'echo clandestine; cat', mode: 'pipe' });
    await end();
    const db = openDatabase(join(gateway.dir, 'catalogue.db'));
    db.prepare('UPDATE sessions SET conversation = (SELECT id FROM conversations WHERE key = ?) WHERE id = ?').run(
      made.json.key,
      id,
    );
    db.close();
    await gateway.start();
    expect(await found('clandestine', {}, ann)).toMatchObject([{ session: id }]);
    await settled();
    expect(await search('clandestine', {}, bob)).toEqual({ hits: [], next: null, behindBytes: 0 });
    expect((await search('clandestine', { session_id: id }, bob)).hits).toEqual([]);
    expect((await search('clandestine')).hits).toHaveLength(1); // an admin
  });
});

describe('the index', () => {
  inAll(
    'has everything once after the gateway was killed while it was being made',
    async () => {
      const script = 'for i in $(seq 1 30); do seq 1 20000; echo "milestone$i reached"; done';
      const { id } = await gateway.create({ command: script, mode: 'pipe' });
      await found('milestone1', { session_id: id });
      await end();
      await gateway.start();
      await gateway.closed(id);
      await found('milestone30', { session_id: id });
      for (let i = 1; i <= 30; i++) {
        expect((await search(`milestone${i}`, { session_id: id })).hits).toHaveLength(1);
      }
    },
    40_000,
  );

  inAll(
    'gives the same answers when it was made anew, and when its file was damaged',
    async () => {
      const { id } = await gateway.create({ command: 'for i in $(seq 1 3000); do echo "item $i of many"; done' });
      await gateway.closed(id);
      await settled();
      const answers = async (): Promise<unknown> => {
        const { hits, next } = await search('item many', { session_id: id, limit: 50 });
        return { next, hits: hits.map(({ time, ...rest }) => rest) };
      };
      const before = await answers();
      expect(before).toMatchObject({ next: null });
      expect((before as SearchResult).hits.length).toBeGreaterThan(10);
      expect((await gateway.ask('/v1/search/rebuild', { method: 'POST' })).status).toBe(202);
      await settled();
      expect(await answers()).toEqual(before);
      await end();
      writeFileSync(
        join(gateway.dir, 'index.sqlite'),
        'no database at all, but long enough to look like one'.repeat(99),
      );
      await gateway.start();
      await settled();
      expect(await answers()).toEqual(before);
    },
    40_000,
  );

  it('is made anew by those alone who may', async () => {
    const { token } = await gateway.tokenOf('create');
    expect((await gateway.ask('/v1/search/rebuild', { method: 'POST', token })).status).toBe(403);
  });

  it('is told of in the metrics', async () => {
    await settled();
    const { text } = await gateway.ask('/metrics');
    expect(Number(/^binnacle_index_documents (\d+)/m.exec(text)?.[1])).toBeGreaterThan(0);
    expect(Number(/^binnacle_index_bytes (\d+)/m.exec(text)?.[1])).toBeGreaterThan(0);
    expect(text).toMatch(/^binnacle_index_behind_bytes \d+/m);
    expect(text).toMatch(/^binnacle_index_removed_total \d+/m);
    expect(text).toMatch(/^binnacle_traffic_events \d+/m);
  });
});

describe('the command line', () => {
  const run = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const env = { ...process.env, BINNACLE_URL: '', BINNACLE_TOKEN: '' };
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [BINARY, ...args], { env });
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  };

  it('finds, says that nothing was found, and has the index made anew', async () => {
    const { id } = await gateway.create({ argv: ['/bin/echo', 'wanderlust is found'], mode: 'pipe' });
    await gateway.closed(id);
    await found('wanderlust');
    const data = ['--data', gateway.dir];
    const shown = await run('search', 'wanderlust', 'found', ...data);
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toMatch(new RegExp(`^${id} .*--since 0, .* ago\\n  wanderlust is found\\n$`));
    const json = await run('search', 'wanderlust', '--session', id, '--limit', '1', '--json', ...data);
    expect(JSON.parse(json.out).hits).toHaveLength(1);
    expect(await run('search', 'nowheretobefound', ...data)).toMatchObject({ code: 1, out: '' });
    const rebuilt = await run('doctor', '--rebuild-index', '--json', ...data);
    expect(JSON.parse(rebuilt.out)).toEqual({ rebuild: 'gateway' });
    await found('wanderlust');
    await end();
    expect(JSON.parse((await run('doctor', '--rebuild-index', '--json', ...data)).out)).toEqual({
      rebuild: 'next_start',
    });
    await gateway.start();
    await found('wanderlust');
  }, 30_000);

  inAll('says what cannot be searched for', async () => {
    expect(await run('search', '+++', '--data', gateway.dir)).toMatchObject({ code: 1 });
    expect(await run('search', 'x', '--limit', '0', '--data', gateway.dir)).toMatchObject({ code: 2 });
  });
});

describe('stored traffic', () => {
  const events = async (query: object): Promise<StoredEventList> => (await ask('/v1/pty-traffic', query)).json;

  it('shows an event in the moment that its emitter has the answer, and its output as any other', async () => {
    for (let n = 0; n < count({ quick: 8, all: 20 }); n++) {
      const event = { session_id: 'job-now', command: 'make', response: `wombat${n} built\n`, source: 'ci' };
      expect((await emit(event)).status).toBe(200);
      const { events: rows } = await events({ session_id: 'job-now', limit: 1 });
      expect(rows).toMatchObject([{ session_id: 'job-now', source: 'ci', size: Buffer.byteLength(event.response) }]);
      expect(rows[0]?.response_preview).toContain(`wombat${n} built`);
    }
    const [hit] = await found('wombat7');
    expect(hit).toMatchObject({ foreign: { sessionId: 'job-now', source: 'ci' } });
    expect((await search('wombat7', { source: 'other' })).hits).toEqual([]);
    expect((await search('wombat7', { source: 'ci', session_id: 'job-now' })).hits).toHaveLength(1);
  });

  it('is listed newest first in pages, by filters, and summed up', async () => {
    const base = { session_id: 'job-list', source: 'lister', labels: { team: 'red' } };
    const answer = await emit(
      { ...base, command: 'Compile everything', response: 'one\n' },
      { ...base, response: 'two\n', lost_bytes: 5 },
      { ...base, response: 'three\n', exit_code: 3, is_final: true },
    );
    expect(answer.status).toBe(200);
    const all = await events({ source: 'lister' });
    expect(all.events).toMatchObject([
      { exit_code: 3, is_final: true, size: 6, offset: 8, labels: { team: 'red' } },
      { size: 4, offset: 4, lost_bytes: 5 },
      { size: 4, offset: 0, command_preview: 'Compile everything' },
    ]);
    const first = await events({ source: 'lister', limit: 2 });
    const second = await events({ source: 'lister', limit: 2, after: first.next });
    expect([...first.events, ...second.events]).toEqual(all.events);
    expect(second.next).toBeNull();
    for (const filter of [
      { command: 'compile' },
      { label: 'team=red' },
      { session_id: 'job-list' },
      { since: all.events[2]?.received_at ?? 0, until: Date.now() + 1000 },
    ]) {
      expect((await events({ source: 'lister', ...filter })).events).toHaveLength(3);
    }
    expect((await events({ source: 'lister', exit_code: 3, is_final: true })).events).toHaveLength(1);
    expect((await events({ source: 'lister', is_final: false })).events).toHaveLength(2);
    expect((await events({ source: 'lister', command: 'nothing' })).events).toEqual([]);
    const { hours } = (await ask('/v1/pty-traffic/stats', { source: 'lister' })).json as TrafficStats;
    expect(hours).toMatchObject([{ source: 'lister', events: 3, bytes: 14, failures: 1, sessions: 1 }]);
  });

  it('is counted in the metrics with what it says', async () => {
    const counted = async (what: string) => {
      const { text } = await gateway.ask('/metrics');
      return Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`binnacle_emitted_${what} `))
          ?.split(' ')[1],
      );
    };
    const [stored, bytes] = [await counted('events_total{result="stored"}'), await counted('bytes_total')];
    expect((await emit({ session_id: 'job-counted', response: 'twelve bytes' })).status).toBe(200);
    expect(await counted('events_total{result="stored"}')).toBe(stored + 1);
    expect(await counted('bytes_total')).toBe(bytes + 12);
  });

  it('goes with its session', async () => {
    await emit({ session_id: 'job-gone', response: 'x', source: 'goner' });
    const [row] = (await events({ source: 'goner' })).events;
    await gateway.ask(`/v1/sessions/${row?.session}`, { method: 'DELETE' });
    expect(await events({ source: 'goner' })).toEqual({ events: [], next: null });
    expect((await ask('/v1/pty-traffic/stats', { source: 'goner' })).json).toEqual({ hours: [] });
  });

  it('refuses a filter that there is not, by name, and values that are none', async () => {
    for (const path of ['/v1/pty-traffic', '/v1/pty-traffic/stats']) {
      const { code, json } = await ask(path, { colour: 'red' });
      expect(code).toBe('bad_filter');
      expect(json.error.details).toEqual({ filter: 'colour' });
    }
    for (const wrong of [
      { limit: 501 },
      { limit: 0 },
      { since: -1 },
      { is_final: 'maybe' },
      { exit_code: 'x' },
      { after: '' },
    ]) {
      expect((await ask('/v1/pty-traffic', wrong)).code).toBe('bad_request');
    }
  });
});
