// Tests what guests of share links are refused: every address for every kind of link, from the documents.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type Case, faultsOf } from './cases.fixture.ts';
import { type Contract, contractOf, fill, type Row } from './contract.fixture.ts';
import { sampleOf } from './samples.fixture.ts';
import { isCode, type Refusal, type Sent, sender } from './send.fixture.ts';

const ECHO = JSON.stringify({ agents: { entries: { echo: { driver: 'echo', default: true } } } });

let gateway: Gateway;
let contract: Contract;
let send: (sent: Sent) => Promise<Refusal>;

type Target = 'session' | 'conversation';
interface Guest {
  readonly name: string;
  readonly target: Target;
  readonly mayType: boolean;
  readonly token: string;
}
const guests: Guest[] = [];
/** Ids of the shared target, of another one, and of one that never existed. */
const ids = { session: ['', '', '00000000-0000-7000-8000-000000000000'], conversation: ['', '', 'agent:echo:never'] };

beforeAll(async () => {
  gateway = await openGateway({
    prepare: (dir) => writeFileSync(join(dir, 'config.jsonc'), ECHO, { mode: 0o600 }),
  });
  contract = await contractOf(gateway);
  send = sender(gateway.url);
  for (const at of [0, 1]) {
    ids.session[at] = (await gateway.create({ argv: ['/bin/cat'] })).id;
    ids.conversation[at] = (await gateway.ask('/v1/conversations', { body: { agent: 'echo' } })).json.key;
  }
  for (const target of ['session', 'conversation'] as const) {
    for (const mode of ['view', 'type']) {
      const link = await gateway.ask('/v1/shares', { body: { [target]: ids[target][0], mode } });
      const { json } = await gateway.ask('/v1/shares/redeem', { token: null, body: { secret: link.json.secret } });
      guests.push({ name: `${target}, ${mode}`, target, mayType: mode === 'type', token: json.credential });
    }
  }
});

/** Routes that guests reach (PROTOCOL.md, section 18). A route that joins them joins the list there and here as well. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  self: ['GET /v1/me', 'GET /v1/shared', 'WEBSOCKET /v1/ws'],
  session: [
    'GET /v1/sessions/{id}',
    'GET /v1/sessions/{id}/export',
    'GET /v1/sessions/{id}/lease',
    'GET /v1/sessions/{id}/output',
    'GET /v1/sessions/{id}/screen',
    'GET /v1/sessions/{id}/timeline',
    'POST /v1/sessions/{id}/input',
    'POST /v1/sessions/{id}/resize',
  ],
  conversation: [
    'GET /v1/conversations/{key}',
    'GET /v1/conversations/{key}/events',
    'GET /v1/conversations/{key}/lease',
    'GET /v1/conversations/{key}/messages',
    'GET /v1/conversations/{key}/messages/{id}',
    'GET /v1/conversations/{key}/runs/{run}',
    'POST /v1/conversations/{key}/messages',
  ],
};

/** A request with a body that fits, for one of `ids`. */
function asked(row: Row, id: string): Sent {
  const [first = ''] = Object.keys(row.params);
  const body = typeof row.body === 'object' ? JSON.stringify(sampleOf(row.body, contract.resolve)) : undefined;
  return {
    ...{ method: row.method, path: fill(row.path, { [first]: id }), isUpgrade: row.isSocket },
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
  };
}
const guarded = (): readonly Row[] => contract.rows.filter(({ scope }) => scope !== undefined);

describe('a guest of a share link', () => {
  it('reaches what the documents say, which is what the protocol says', () => {
    for (const [target, names] of Object.entries(REACHED)) {
      const reached = contract.rows.filter((row) => row.guests === target).map(({ name }) => name);
      expect(reached.sort()).toEqual([...names].sort());
    }
    expect(contract.rows.filter(({ guests: reach }) => reach !== undefined)).toHaveLength(
      Object.values(REACHED).flat().length,
    );
  });

  it('is answered at every other address as nobody ever was there, whatever scope it takes and whatever is asked', async () => {
    const cases = guarded()
      .filter((row) => row.guests === undefined)
      .flatMap((row) =>
        guests.flatMap(({ name, target, token }, n): Case[] => {
          const refused = { token, name: `${row.name} (${name})`, status: 404, codes: ['not_found'] };
          const sent = asked(row, ids[target][0] ?? '');
          return [
            { ...sent, ...refused },
            ...(row.isSocket || n > 0 ? [] : [{ ...sent, body: '{', headers: {}, ...refused }]),
          ];
        }),
      );
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(500);
  });

  it('reaches its own target by each of these addresses, and may write with a link to type alone', async () => {
    const faults: string[] = [];
    for (const row of guarded().filter((one) => one.guests !== undefined)) {
      for (const { name, target, mayType, token } of guests) {
        if (row.guests !== 'self' && row.guests !== target) continue;
        const answer = await send({ ...asked(row, ids[target][0] ?? ''), token });
        const isForbidden = row.scope !== 'view' && !mayType;
        const isRight = isForbidden
          ? answer.status === 403 && answer.code === 'forbidden'
          : answer.status < 400 || isInside(row, answer);
        if (!isRight) faults.push(`${row.name} (${name}): ${answer.status} ${answer.code}`);
      }
    }
    expect(faults).toEqual([]);
  });

  it('is answered for what is not shared as for what never was', async () => {
    const cases = guarded().flatMap((row) => {
      const kind = row.guests;
      if (kind === undefined || kind === 'self') return [];
      return guests.flatMap(({ name, target, mayType, token }): Case[] => {
        const isForbidden = row.scope !== 'view' && !mayType;
        const refused = isForbidden
          ? { status: 403, codes: ['forbidden'] }
          : { status: 404, codes: [`${kind}_not_found`] };
        // A guest reaches its own target, and nothing of the other kind.
        const hidden = ids[kind].slice(kind === target ? 1 : 0);
        return hidden.map((id) => ({ ...asked(row, id), token, name: `${row.name} (${name}, ${id})`, ...refused }));
      });
    });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(100);
  });

  it('cannot tell the one from the other by any word of the answer', async () => {
    for (const row of guarded().filter(({ guests: kind }) => kind === 'session' || kind === 'conversation')) {
      const kind = row.guests as Target;
      for (const { target, token } of guests.filter(({ mayType }) => mayType)) {
        const answers = await Promise.all(
          ids[kind].slice(kind === target ? 1 : 0).map((id) => send({ ...asked(row, id), token })),
        );
        for (const answer of answers) expect.soft([row.name, target, answer]).toEqual([row.name, target, answers[0]]);
      }
    }
  });
});

/** Below the target nothing was looked for that is there: the first message, the first run. */
const isInside = ({ path }: Row, answer: Refusal): boolean =>
  (path.endsWith('/messages/{id}') && isCode(answer, 'message_not_found')) ||
  (path.endsWith('/runs/{run}') && isCode(answer, 'run_not_found'));
