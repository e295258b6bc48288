// How a program was started is nobody's business but the owner's: no answer to a guest holds command, directory or pid.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { Frames } from '../support/wire.ts';

const COMMAND = 'hidden-command-5f21';
const DIRECTORY = 'hidden-directory-90ac';
const VARIABLE = 'hidden-variable-33de';

let gateway: Gateway;
/** Of the published document. */
let paths: Record<string, Record<string, object>>;
const dir = mkdtempSync(join(tmpdir(), 'binnacle-hidden-'));
const cwd = join(dir, DIRECTORY);
beforeAll(async () => {
  mkdirSync(cwd);
  const configPath = join(dir, 'config.jsonc');
  const fake = resolve(import.meta.dirname, '../agents/fake-acp.mjs');
  const agent = { driver: 'acp', command: [process.execPath, fake], cwd, default: true };
  writeFileSync(configPath, JSON.stringify({ agents: { entries: { agent } } }), { mode: 0o600 });
  gateway = await openGateway({ configPath });
  ({ paths } = (await gateway.ask('/openapi.json', { token: null })).json);
});
afterAll(async () => {
  const { conversations } = (await gateway.ask('/v1/conversations')).json;
  for (const { key } of conversations) {
    await gateway.ask(`/v1/conversations/${encodeURIComponent(key)}`, { method: 'DELETE' });
  }
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

type Type = 'json' | 'text' | 'sse';
const TYPES: readonly Type[] = ['json', 'text', 'sse'];
/** Of the sessions that differ from others in their events alone. */
const FEW_TYPES: readonly Type[] = isAll ? TYPES : ['json', 'sse'];
const ACCEPT = { json: 'application/json', text: 'text/plain', sse: 'text/event-stream' };

async function guestOf(what: object): Promise<string> {
  const { secret } = (await gateway.ask('/v1/shares', { body: { ...what, mode: 'type' } })).json;
  return (await gateway.ask('/v1/shares/redeem', { token: null, body: { secret } })).json.credential;
}

/** Everything that a guest is answered, by what was asked: each address that reaches, in each form, and each frame. */
async function answersTo(
  token: string,
  ids: { readonly session: string; readonly key?: string },
  types: readonly Type[],
) {
  const answers = new Map<string, string>();
  const key = encodeURIComponent(ids.key ?? 'x');
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      const spelt = path
        .replace('{id}', path.startsWith('/v1/sessions') ? ids.session : 'x')
        .replace('{key}', key)
        .replace('{run}', 'm1')
        .replace(/\{\w+\}/g, 'x');
      for (const query of queriesOf(path)) {
        for (const type of method === 'get' ? types : (['json'] as const)) {
          // Output that is followed has no end while the program runs.
          if (type === 'sse' && path.endsWith('/output') && !query.includes('follow=0')) continue;
          // Rights are judged before the body; input that says nothing changes nothing.
          const body = method === 'get' || method === 'delete' ? {} : { body: { cols: 80, rows: 24 } };
          const asked = { method: method.toUpperCase(), token, headers: { accept: ACCEPT[type] }, ...body };
          const { status, text, headers } = await gateway.ask(spelt + query, asked);
          // A missing resource is missing in every form.
          if (status === 404) break;
          answers.set(`${asked.method} ${path}${query} as ${type}`, `${JSON.stringify([...headers])}\n${text}`);
        }
      }
    }
  }
  return answers;
}

function queriesOf(path: string): readonly string[] {
  if (path.endsWith('/export')) {
    const formats = ['cast', 'text', 'jsonl', 'markdown'].flatMap((one) => [
      `?format=${one}`,
      `?format=${one}&input=1`,
    ]);
    return ['', ...formats, '?format=jsonl&encoding=base64&input=1', '?format=cast&version=2'];
  }
  if (path.endsWith('/output')) return ['', '?format=sse&follow=0', '?format=sse&follow=0&encoding=base64', '?wait=1'];
  if (path.endsWith('/screen')) return ['', '?at=0', '?format=text'];
  if (path.endsWith('/events')) return ['?follow=0'];
  return [''];
}

/** All JSON frames of a connection that asks for what there is to be asked. */
async function framesTo(token: string, { session, key }: { readonly session: string; readonly key?: string }) {
  const ws = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/ws`, ['binnacle', `binnacle.guest.${token}`], {
    origin: gateway.url,
  });
  const frames = new Frames(ws);
  await frames.next(({ t }) => t === 'hello');
  const asks: object[] = [
    { t: 'watch', on: true },
    { t: 'watch_conversations', on: true, runs: true },
    { t: 'subscribe', session, from: 'start' },
    { t: 'watch_watchers', session, on: true },
    { t: 'lease', session, action: 'acquire' },
    { t: 'resize', session, cols: 90, rows: 30 },
    { t: 'input', session, text: 'x\n' },
    { t: 'lease', session, action: 'release' },
    { t: 'signal', session, signal: 'SIGINT' },
    { t: 'close_stdin', session },
    { t: 'unsubscribe', session },
    { t: 'subscribe', session, from: { screen: true } },
    ...(key === undefined
      ? []
      : [
          { t: 'follow', conversation: key, from: 'start' },
          { t: 'send', conversation: key, id: 'of-a-guest', text: 'say hi' },
        ]),
  ];
  const answered: string[] = [];
  for (const ask of asks) {
    const answer = 't' in ask && ask.t === 'subscribe' ? await subscribed(frames, ask) : await frames.ask(ask);
    answered.push(`${(ask as { t: string }).t} ${answer.t}`);
  }
  return { frames, answered };
}

async function subscribed(frames: Frames, ask: object) {
  frames.send(ask);
  return await frames.next(({ t }) => t === 'subscribed' || t === 'error');
}

function expectHidden(answers: ReadonlyMap<string, string>, secrets: readonly (string | number)[]): void {
  for (const [asked, answer] of answers) {
    // Bytes are told as base64 in places.
    const whole = answer.replace(/"(?:base64|bytes)":"([^"]*)"/g, (_, text) => Buffer.from(text, 'base64').toString());
    for (const secret of secrets) {
      const isTold = new RegExp(`(?<![\\w.])${secret}(?![\\w])`).exec(whole);
      const around = isTold === null ? undefined : whole.slice(Math.max(0, isTold.index - 80), isTold.index + 60);
      expect.soft({ asked, around }).toEqual({ asked, around: undefined });
    }
  }
}

async function walk(
  session: string,
  secrets: readonly (string | number)[],
  { key, types = TYPES }: { readonly key?: string; readonly types?: readonly Type[] } = {},
): Promise<string[]> {
  const token = await guestOf(key === undefined ? { session } : { conversation: key });
  const ids = key === undefined ? { session } : { session, key };
  const { frames, answered } = await framesTo(token, ids);
  const answers = await answersTo(token, ids, types);
  for (const [n, frame] of frames.all.entries()) {
    if (!Buffer.isBuffer(frame)) answers.set(`frame ${n} ${frame.t}`, JSON.stringify(frame));
  }
  frames.ws.terminate();
  expectHidden(answers, secrets);
  return [...answers.keys(), ...answered];
}

const pidOf = async (id: string): Promise<number> => (await gateway.info(id)).pid ?? -1;

describe('denied-by-default: what a guest is told of how a program was started', () => {
  it('is nothing, of a program in a terminal', async () => {
    const { id } = await gateway.create({ command: `stty -echo; cat # ${COMMAND}`, cwd });
    const asked = await walk(id, [COMMAND, DIRECTORY, await pidOf(id)]);
    // The walk has been where it matters.
    for (const place of [
      'GET /v1/sessions/{id} as json',
      'GET /v1/shared as json',
      'GET /v1/sessions/{id}/output?format=sse&follow=0 as sse',
      'GET /v1/sessions/{id}/export?format=cast as json',
      'GET /v1/sessions/{id}/export?format=jsonl&encoding=base64&input=1 as json',
      'GET /v1/sessions/{id}/timeline as json',
      'GET /v1/sessions/{id}/screen as json',
      'subscribe subscribed',
      'lease ok',
      'signal error',
    ]) {
      expect.soft(asked).toContain(place);
    }
    // The owner is told as before.
    expect(await gateway.info(id)).toMatchObject({
      cwd,
      argv: expect.arrayContaining([expect.stringContaining(COMMAND)]),
    });
  });

  it('is nothing, of runs and of where they went', async () => {
    const { id } = await gateway.create({ runs: true, mode: 'pipe', name: 'a shell' });
    const run = await gateway.ask(`/v1/sessions/${id}/runs?wait=5000`, { body: { command: `true # ${COMMAND}`, cwd } });
    expect(run.json).toMatchObject({ state: 'ended', cwd, command: expect.stringContaining(COMMAND) });
    await walk(id, [COMMAND, DIRECTORY, await pidOf(id)], { types: FEW_TYPES });
    const { marks } = (await gateway.ask(`/v1/sessions/${id}/timeline`)).json;
    expect(JSON.stringify(marks)).toContain(COMMAND);
  });

  it('is nothing, of what runs elsewhere', async () => {
    const event = { session_id: 'far', command: `make ${COMMAND}`, cwd, response: 'built\n', command_preview: COMMAND };
    const { json } = await gateway.ask('/v1/pty-traffic/emit', { body: { events: [event] } });
    expect(json.stored).toBe(1);
    await walk(json.results[0].session, [COMMAND, DIRECTORY], { types: FEW_TYPES });
  });

  it('is nothing, of a recording whose file says it', async () => {
    const header = { version: 2, width: 80, height: 24, command: COMMAND, title: COMMAND, env: { SECRET: VARIABLE } };
    const cast = `${JSON.stringify(header)}\n[0.1, "o", "hello\\r\\n"]\n`;
    const { json } = await gateway.ask('/v1/recordings?name=shown', {
      ...{ method: 'POST', body: cast, headers: { 'content-type': 'application/x-asciicast' } },
    });
    await walk(json.session.id, [COMMAND, VARIABLE], { types: FEW_TYPES });
  });

  it('is nothing, of the terminals of a conversation and of who writes to it', async () => {
    const { key } = (await gateway.ask('/v1/conversations', { body: {} })).json;
    const path = `/v1/conversations/${encodeURIComponent(key)}`;
    await gateway.ask(`${path}/messages`, { body: { id: 'm1', text: 'linger sleep 4242\nidle' } });
    const found = async () => {
      const { sessions } = (await gateway.ask('/v1/sessions')).json;
      return sessions.find(({ argv }: { argv: string[] }) => argv.includes('4242') || argv.join(' ').includes('4242'));
    };
    await until('its terminal is there', async () => (await found()) !== undefined);
    const terminal = await found();
    const held = await gateway.ask(`${path}/lease`, { body: { action: 'acquire', pid: process.pid } });
    expect(held.status).toBe(200);
    // The agent's account of what it does is part of the conversation: only the session says nothing.
    await walk(terminal.id, [DIRECTORY, terminal.pid, process.pid], { key });
    const token = await guestOf({ conversation: key });
    const { sessions } = (await gateway.ask('/v1/shared', { token })).json;
    expect(sessions).toMatchObject([{ id: terminal.id, argv: [], cwd: '', pid: null }]);
  });
});
