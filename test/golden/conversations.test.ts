// Golden transcript: conversations over HTTP, with the driver echo, an agent over ACP, and a model that answers by a script.

import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { startMockLlm } from '@binnacle/mock-llm';
import { expect, it } from 'vitest';
import { eventsOf, type Json, openTranscript } from './transcript.fixture.ts';

const ACP = resolve(import.meta.dirname, '../agents/fake-acp.mjs');
const echo = { driver: 'echo', default: true };

it('conversations are answered as they were', async () => {
  const t = await openTranscript('conversations', {
    config: {
      agents: { entries: { main: echo, acp: { driver: 'acp', command: [process.execPath, ACP] } } },
    },
  });
  try {
    const ada = await t.token('input', { user: 'ada' });
    const asAda = { token: ada, as: 'ada' };
    t.part('beginning');
    await t.ask('GET /v1/agents');
    await t.ask('GET /v1/agents', { token: null });
    await t.ask('GET /v1/commands');
    await t.ask('GET /v1/commands?all=1');
    const { json: made } = await t.ask('POST /v1/conversations', { ...asAda, body: { name: 'plans', title: 'Plans' } });
    await t.ask('POST /v1/conversations', { ...asAda, body: { name: 'plans' } });
    await t.ask('POST /v1/conversations', { ...asAda, body: { agent: 'nobody' } });
    await t.ask('POST /v1/conversations', { ...asAda, body: { key: 'agent:main:main' } });
    const of = `/v1/conversations/${encodeURIComponent(made.key)}`;
    await t.ask(`GET ${of}`, asAda);
    await t.ask('GET /v1/conversations?limit=5', asAda);
    await t.ask('GET /v1/conversations?limit=many', asAda);
    const bo = await t.token('input', { user: 'bo' });
    await t.ask(`GET ${of}`, { token: bo, as: 'bo' });

    t.part('messages');
    await t.ask(`POST ${of}/messages?wait=10000`, { ...asAda, body: { id: 'm1', text: 'hello there' } });
    await t.ask(`POST ${of}/messages?wait=10000`, { ...asAda, body: { id: 'm1', text: 'hello there' } });
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm1', text: 'something else' } });
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { text: '' } });
    await t.ask(`POST ${of}/messages?format=sse`, { ...asAda, body: { id: 'm2', text: '/tool ahoy' } });
    await t.ask(`POST ${of}/messages?wait=10000`, { ...asAda, body: { id: 'm3', text: '/fail because' } });
    await t.ask(`GET ${of}/messages?limit=3`, asAda);
    await t.ask(`GET ${of}/messages?limit=x`, asAda);
    await t.ask(`GET ${of}/messages/m1`, asAda);
    await t.ask(`GET ${of}/messages/none`, asAda);
    await t.ask(`GET ${of}/runs/m3`, asAda);
    await t.ask(`GET ${of}/runs/none`, asAda);

    t.part('approvals, and what waits behind them');
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm4', text: '/ask jump' }, show: ids });
    await t.until('it asks', async () => (await t.need(`GET ${of}`)).approvals.length === 1);
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm5', text: 'waits' } });
    await t.ask(`PATCH ${of}/messages/m5`, { ...asAda, body: { text: 'waits still' } });
    await t.ask(`PATCH ${of}/messages/m1`, { ...asAda, body: { text: 'too late' } });
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm6', text: 'is taken back' } });
    await t.ask(`DELETE ${of}/messages/m6`, asAda);
    await t.ask(`DELETE ${of}/messages/m1`, asAda);
    await t.ask(`GET ${of}`, asAda);
    await t.ask(`POST ${of}/approvals/m4.m4-1`, { ...asAda, body: { option: 'perhaps' } });
    await t.ask(`POST ${of}/approvals/m4.m4-1`, { ...asAda, body: { option: 'allow' } });
    await t.ask(`POST ${of}/approvals/m4.m4-1`, { ...asAda, body: { option: 'deny' } });
    await t.ask(`POST ${of}/approvals/none`, { ...asAda, body: { option: 'deny' } });
    await t.ask(`GET ${of}/runs/m5?wait=10000`, asAda);

    t.part('aborting');
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm7', text: '/ask one' }, show: ids });
    await t.ask(`DELETE ${of}/runs/m7`, asAda);
    await t.ask(`DELETE ${of}/runs/none`, asAda);
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm8', text: '/ask two' }, show: ids });
    await t.ask(`POST ${of}/abort`, asAda);
    await t.ask(`POST ${of}/abort`, { token: bo, as: 'bo' });
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm9', text: '/ask three' }, show: ids });
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { id: 'm10', text: 'Stop!' } });
    await t.until('it is over', async () => (await t.need(`GET ${of}`)).run === null);

    t.part('the write lease');
    await t.ask(`GET ${of}/lease`, asAda);
    await t.ask('GET /v1/conversations/none/lease', asAda);
    const { json: lease } = await t.ask(`POST ${of}/lease`, {
      ...asAda,
      body: { action: 'acquire', holder: 'a script' },
    });
    await t.ask(`POST ${of}/notes`, { ...asAda, body: { text: 'not mine' } });
    await t.ask(`POST ${of}/notes`, { ...asAda, body: { text: 'a note' }, headers: { 'Binnacle-Lease': lease.lease } });
    await t.ask(`POST ${of}/messages`, { ...asAda, body: { text: 'not mine' } });
    await t.ask(`POST ${of}/lease`, { ...asAda, body: { action: 'acquire', pid: 1 } });
    await t.ask(`POST ${of}/lease`, { ...asAda, body: { action: 'release', lease: lease.lease } });

    t.part('its name and who may see it');
    await t.ask(`PATCH ${of}`, {
      ...asAda,
      body: { title: 'Better plans', visibility: { kind: 'shared', with: ['bo'] } },
    });
    await t.ask(`PATCH ${of}`, { token: bo, as: 'bo', body: { title: 'Mine' } });
    await t.ask(`GET ${of}`, { token: bo, as: 'bo' });

    t.part('events');
    await t.ask(`GET ${of}/events?follow=0`, asAda);
    await t.ask(`GET ${of}/events?run=m1`, asAda);
    await t.ask(`GET ${of}/events?position=nonsense`, asAda);
    await t.ask(`GET ${of}/export`, asAda);
    await t.ask(`GET ${of}/export?format=jsonl`, {
      ...asAda,
      show: ({ lines }) => lines.map(({ type }: Json) => type),
    });
    await t.ask(`GET ${of}/export?format=pdf`, asAda);

    t.part('search');
    await t.until('it is found', async () => (await t.need('GET /v1/search/messages?q=hello')).hits.length === 2);
    await t.ask('GET /v1/search/messages?q=hello%20-nothing', asAda);
    await t.ask('GET /v1/search/messages?q=hello', { token: bo, as: 'bo' });
    await t.ask(`GET /v1/search/messages?q=hello&conversation=${encodeURIComponent(made.key)}`, {
      token: bo,
      as: 'bo',
    });
    await t.ask('GET /v1/search/messages?q=', asAda);

    t.part('an agent over ACP');
    const { key } = await t.need('POST /v1/conversations', { body: { agent: 'acp', name: 'acp' } });
    const other = `/v1/conversations/${encodeURIComponent(key)}`;
    const prompt = ['think hm', 'plan one, two', 'say hello', 'tool ahoy', 'edit a.txt', 'usage 0.5'].join('\n');
    await t.ask(`POST ${other}/messages?wait=15000`, { body: { id: 'a1', text: prompt } });
    await t.ask(`GET ${other}/events?follow=0`);

    t.part('the end');
    await t.ask(`DELETE ${of}`, { token: bo, as: 'bo' });
    await t.ask(`DELETE ${of}`, asAda);
    await t.ask(`GET ${of}`, asAda);
    t.compare();
  } finally {
    await t.close();
  }
});

it('the silence of an agent is told as it was', async () => {
  const t = await openTranscript('silence', {
    config: { agents: { entries: { acp: { driver: 'acp', command: [process.execPath, ACP], default: true } } } },
    silenceTimes: { sayMs: 200 },
  });
  try {
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'acp' } });
    const of = `/v1/conversations/${encodeURIComponent(key)}`;
    // Its process is there before it is listened to.
    await t.need(`POST ${of}/messages?wait=15000`, { body: { id: 'm1', text: 'say hello' } });
    await t.ask(`POST ${of}/messages`, { body: { id: 'm2', text: 'say well\nidle' }, show: ids });
    await t.until('it is silent', async () => (await t.need(`GET ${of}`)).run?.silence !== undefined);
    await t.ask(`GET ${of}`, { show: ({ run }) => run.silence });
    await t.ask(`DELETE ${of}/runs/m2`);
    // How often it is told is chance.
    await t.ask(`GET ${of}/events?follow=0`, {
      show: (text) =>
        eventsOf(text).find(({ data }: Json) => {
          const [event] = data.events ?? [];
          return event?.run === 'm2' && event.waitsFor?.kind === 'model';
        }),
    });
    expect(t.text).toContain('waitsFor');
    t.compare();
  } finally {
    await t.close();
  }
});

it('routing, messages of channels and the config file are answered as they were', async () => {
  const replies: Json[] = [];
  const inbox = createServer((request, response) => {
    let text = '';
    request.on('data', (bytes) => {
      text += String(bytes);
    });
    request.on('end', () => {
      replies.push(JSON.parse(text));
      response.end();
    });
  });
  await new Promise<void>((done) => inbox.listen(0, '127.0.0.1', done));
  const { port } = inbox.address() as { port: number };
  const reply = `http://127.0.0.1:${port}/answers`;
  const t = await openTranscript('routing', {
    config: {
      agents: { entries: { main: echo, other: { driver: 'echo' } } },
      bindings: [
        { agentId: 'other', match: { channel: 'chat-app', peer: { kind: 'group', id: 'g1' } } },
        { agentId: 'nobody', match: { channel: 'chat-app' } },
      ],
      inbound: { replies: [reply] },
      nosuchkey: true,
    },
  });
  t.normal.call(reply, '<reply-address>');
  try {
    await t.ask('GET /v1/config/problems');
    await t.ask('GET /v1/config/problems', { token: null });
    const message = { channel: 'chat-app', peer: { kind: 'group', id: 'g1' }, text: 'hello', id: 'c1', reply };
    await t.ask('POST /v1/routes/explain', { body: { channel: 'chat-app', peer: message.peer } });
    await t.ask('POST /v1/routes/explain', { body: { channel: 'elsewhere' } });
    await t.ask('POST /v1/routes/explain', { body: {} });
    await t.ask('POST /v1/inbound', { body: message, show: sentTo });
    await t.until('it is replied', () => replies.length === 1);
    t.write({ reply: replies[0] });
    await t.ask('POST /v1/inbound', { body: message, show: sentTo });
    await t.ask('POST /v1/inbound', { body: { ...message, reply: 'http://127.0.0.1:9/' } });
    await t.ask('POST /v1/inbound', { body: { channel: 'user', text: 'x' } });
    t.compare();
  } finally {
    await t.close();
    inbox.close();
  }
});

it('an agent that asks a model over HTTP is answered as it was', async () => {
  const llm = await startMockLlm({ delayMs: 1 });
  const t = await openTranscript('model', {
    config: {
      agents: { entries: { model: { driver: 'openai', url: `${llm.url}/v1`, model: 'mock', default: true } } },
    },
  });
  t.normal.call(llm.url, '<model>');
  try {
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'model' } });
    const of = `/v1/conversations/${encodeURIComponent(key)}`;
    await t.ask(`POST ${of}/messages?wait=10000`, { body: { id: 'm1', text: 'Say hello.' } });
    await t.ask(`POST ${of}/messages`, {
      body: { id: 'm2', text: 'And again.' },
      headers: { Accept: 'text/event-stream' },
    });
    await t.ask(`GET ${of}/messages`);
    t.compare();
  } finally {
    await t.close();
    await llm.close();
  }
});

const ids = ({ message, run, duplicate }: Json): unknown => ({ message: message.id, run: run?.id ?? null, duplicate });
/** Without how far its run is, which is chance. */
const sentTo = ({ run, message, ...rest }: Json): unknown => ({ ...rest, run: typeof run, message: typeof message });
