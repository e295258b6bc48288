// Search over messages on a real gateway: what is found, by whom, and after a restart.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageSearchResult } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-message-search-'));
  const configPath = join(dir, 'config.jsonc');
  const entries = {
    main: { driver: 'echo', default: true },
    stubborn: {
      driver: 'command',
      command: ['bash', '-c', `trap '' TERM HUP INT; touch ${dir}/started; sleep 60 & wait`],
    },
  };
  writeFileSync(configPath, JSON.stringify({ agents: { entries } }), { mode: 0o600 });
  gateway = await openGateway({
    configPath,
    agentGraceMs: 1500,
    endingTimes: { hupMs: 700, termMs: 700 },
    logLevel: 'fatal',
  });
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const ask = (query: object, token = gateway.token) =>
  gateway.ask(`/v1/search/messages?${new URLSearchParams(Object.entries(query))}`, { token });

async function search(q: string, token = gateway.token): Promise<MessageSearchResult> {
  const { status, json, text } = await ask({ q }, token);
  if (status !== 200) throw new Error(text);
  return json;
}

async function talk(name: string, text: string, token = gateway.token, agent = 'main'): Promise<string> {
  const body = { name, title: name, agent };
  const { json } = await gateway.ask('/v1/conversations', { method: 'POST', body, token });
  const path = `/v1/conversations/${encodeURIComponent(json.key)}/messages`;
  await gateway.ask(path, { method: 'POST', body: { text }, token });
  return json.key;
}

it('a message and its answer are found at once, newest first, with the words marked', async () => {
  const key = await talk('harbour', 'Where is the lighthouse keeper?');
  await until('the answer is found', async () => (await search('lighthouse keep*')).hits.length === 2);
  const { hits, next, behind } = await search('lighthouse keep*');
  expect(hits.map(({ role }) => role)).toEqual(['assistant', 'user']);
  expect(hits[1]).toMatchObject({ conversation: key, title: 'harbour', snippet: 'Where is the lighthouse keeper?' });
  expect(hits[1]?.matches.map(([from, to]) => hits[1]?.snippet.slice(from, to))).toEqual(['lighthouse', 'keeper']);
  expect([next, behind]).toEqual([null, 0]);
  const first = await ask({ q: 'lighthouse', limit: '1' });
  expect(first.json.hits).toHaveLength(1);
  const second = await ask({ q: 'lighthouse', limit: '1', after: first.json.next });
  expect(second.json.hits[0].role).toBe('user');
});

it('a conversation of somebody else is not found, nor counted', async () => {
  const { json: ann } = await gateway.ask('/v1/tokens', { method: 'POST', body: { name: 'ann', scope: 'input' } });
  const { json: bob } = await gateway.ask('/v1/tokens', { method: 'POST', body: { name: 'bob', scope: 'input' } });
  const key = await talk('private', 'a periwinkle', ann.token);
  await until('she finds it', async () => (await search('periwinkle', ann.token)).hits.length > 0);
  expect((await search('periwinkle')).hits.length).toBeGreaterThan(0);
  expect(await search('periwinkle', bob.token)).toEqual({ hits: [], next: null, behind: 0 });
  expect(await ask({ q: 'periwinkle', conversation: key }, bob.token)).toMatchObject({
    status: 404,
    code: 'conversation_not_found',
  });
  expect((await ask({ q: 'periwinkle', conversation: key }, ann.token)).json.hits.length).toBeGreaterThan(0);
});

it('a conversation is not found from the moment of its deletion, although its agent takes time to end', async () => {
  const key = await talk('stubborn', 'a periscope', gateway.token, 'stubborn');
  await until('the agent works', () => existsSync(join(dir, 'started')));
  await until('it is found', async () => (await search('periscope')).hits.length > 0);
  const path = `/v1/conversations/${encodeURIComponent(key)}`;
  let isOver = false;
  const deleted = gateway.ask(path, { method: 'DELETE' }).then(() => {
    isOver = true;
  });
  await until('it is gone', async () => (await gateway.ask(path)).status === 404);
  expect((await search('periscope')).hits).toEqual([]);
  expect(isOver).toBe(false);
  await deleted;
});

it('what was said before a restart is found after it, what was deleted is not', async () => {
  const key = await talk('gone', 'a barnacle');
  await talk('kept', 'a limpet');
  await until(
    'both are found',
    async () => (await search('barnacle')).hits.length * (await search('limpet')).hits.length > 0,
  );
  await gateway.ask(`/v1/conversations/${encodeURIComponent(key)}`, { method: 'DELETE' });
  expect((await search('barnacle')).hits).toEqual([]);
  await gateway.stop();
  await gateway.start();
  await until('it is found again', async () => (await ask({ q: 'limpet' })).json?.hits?.length > 0);
  expect((await search('barnacle')).hits).toEqual([]);
});
