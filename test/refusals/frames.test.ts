// Tests what every socket refuses, generated from the frames of /asyncapi.json: unknown and ill-formed frames,
// scopes that are too narrow, guests of share links, and what is not there.

import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { Frame, Frames } from '../support/wire.ts';
import { type Contract, contractOf, type FrameRow, fill } from './contract.fixture.ts';
import { sampleOf, type Wrong, wrongObjects } from './samples.fixture.ts';

let gateway: Gateway;
let contract: Contract;
let session: string;
let other: string;
beforeAll(async () => {
  gateway = await openGateway();
  contract = await contractOf(gateway);
  session = (await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' })).id;
  other = (await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' })).id;
});

/** Rules that the schema of a frame cannot express: one of two fields, names with a meaning. */
const FITTING: Readonly<Record<string, object>> = { input: { text: 'x' }, signal: { signal: 'SIGCONT' } };

/** Fields of which one excludes, or wants, another. */
const OTHERWISE: Readonly<Record<string, readonly object[]>> = {
  input: [{ base64: 'eA==' }, { text: 'x', client: 'c', n: 1 }, { text: '\x1b[?62;c', auto: true }],
};

const sample = ({ name, schema }: FrameRow, more: object = {}): Record<string, unknown> => ({
  ...(sampleOf(schema, contract.resolve) as object),
  ...FITTING[name],
  ...more,
});
/** Frames of one name that fit: with each value of a list, with each field that may be left out, with a claim of more. */
function variants(row: FrameRow, more: object): readonly Record<string, unknown>[] {
  const base = sample(row, more);
  const required = row.schema.required ?? [];
  return [
    { ...base, scope: 'admin' },
    ...(OTHERWISE[row.name] ?? []).map((fields) => {
      const { text: _, ...rest } = base;
      return { ...rest, ...fields };
    }),
    ...Object.entries(row.schema.properties ?? {}).flatMap(([name, schema]) => {
      // Combinations of fields are above.
      if (name in base && schema.enum === undefined) return [];
      if (row.name === 'input' && ['base64', 'client', 'n'].includes(name)) return [];
      const values = schema.enum ?? (required.includes(name) ? [] : [sampleOf(schema, contract.resolve)]);
      return values.map((value) => ({ ...base, [name]: value }));
    }),
  ];
}

const sockets = (): readonly string[] => [...new Set(contract.frames.map(({ path }) => path))];
const open = (path: string, token?: string): Promise<Frames> => gateway.frames(fill(path, { id: session }), token);

/** Sends frames that fit and returns the refusal of each. On /v1/ws an answer has the `ref` of its frame. */
async function refusalsOf(frames: Frames, tag: 't' | 'type', sent: readonly object[]): Promise<Frame[]> {
  if (tag === 'type') return await answersTo(frames, tag, sent);
  const refusals: Frame[] = [];
  for (const frame of sent) {
    // The only frame without an answer.
    const [answer] =
      't' in frame && frame.t === 'pong' ? await answersTo(frames, tag, [frame]) : [await frames.ask(frame)];
    refusals.push(answer?.t === 'error' ? answer : undefined);
  }
  return refusals;
}

/** Sends frames and returns the answer to each: before the next one, a `ping` brings up whatever was said till then. */
async function answersTo(
  frames: Frames,
  tag: 't' | 'type',
  sent: readonly (object | string | Buffer)[],
): Promise<Frame[]> {
  const answers: Frame[] = [];
  for (const frame of sent) {
    const from = frames.all.length;
    if (Buffer.isBuffer(frame)) frames.ws.send(frame, { binary: true });
    else frames.send(frame);
    frames.send({ [tag]: 'ping', time: 1, timestamp: 1 });
    await frames.next((one) => one[tag] === 'pong');
    answers.push(frames.all.slice(from).find((one) => one[tag] === 'error'));
  }
  return answers;
}

const NONE = ['', 'no JSON', '{', '5', 'null', '[]', '{}', `"ping"`];

const codeOf = (answer: Frame | undefined): string | undefined => (answer?.error?.code ?? answer?.code)?.toLowerCase();
/** Code of each socket for a message that is no frame. */
const NOT_A_FRAME: Readonly<Record<string, readonly string[]>> = {
  '/v1/ws': ['protocol_error'],
  '/ws/pty-traffic': ['protocol_error'],
  '/ws/session/{id}': ['invalid_frame'],
  '/pty/{id}/ws': ['invalid_frame'],
};

describe('every frame that the document names', () => {
  /** Frames that write. A new one joins the list here as well, or those who may only view send it. */
  const WRITING = ['abort', 'answer', 'close_stdin', 'input', 'lease', 'resize', 'send', 'signal', 'stdin'];

  it('that writes takes a token that may', () => {
    const writing = contract.frames.filter(({ scope }) => scope === 'input').map(({ name }) => name);
    expect([...new Set(writing)].sort()).toEqual(WRITING);
    expect(contract.frames.filter(({ scope }) => scope !== 'input' && scope !== 'view')).toEqual([]);
  });

  it('has a scope there, and every socket is one whose refusals are known here', () => {
    expect(contract.frames.filter(({ scope }) => scope === undefined)).toEqual([]);
    expect([...sockets()].sort()).toEqual(Object.keys(NOT_A_FRAME).sort());
    expect(
      contract.rows
        .filter(({ isSocket }) => isSocket)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([...sockets()].sort());
    expect(contract.frames.length).toBeGreaterThan(30);
  });

  it('is refused where a field is missing, of another kind, or over its limit, and the connection goes on', async () => {
    const faults: string[] = [];
    let count = 0;
    for (const path of sockets()) {
      const rows = contract.frames.filter((row) => row.path === path);
      const tag = rows[0]?.tag ?? 't';
      const wrong: readonly Wrong[] = [
        ...NONE.map((value) => ({ value, field: '', why: 'what is none' })),
        ...['nosuchframe', '__proto__', 5, null].map((name) => ({ value: { [tag]: name }, field: '', why: 'no name' })),
        { value: Buffer.from([0xff, 1]), field: '', why: 'bytes' },
        ...rows.flatMap((row) =>
          // Another name is another frame.
          wrongObjects(row.schema, contract.resolve, sample(row, { session })).filter(({ field }) => field !== tag),
        ),
      ];
      const frames = await open(`${path}?takeover=1`);
      const answers = await answersTo(
        frames,
        tag,
        wrong.map(({ value }) => value as object),
      );
      for (const [n, answer] of answers.entries()) {
        const code = codeOf(answer) ?? 'nothing';
        const field = wrong[n]?.field ?? '';
        const own = /^(cols|rows)$/.test(field) ? ['bad_size'] : field.startsWith('filter.') ? ['bad_filter'] : [];
        if (![...(NOT_A_FRAME[path] ?? []), ...own].includes(code))
          faults.push(`${path} ${JSON.stringify(wrong[n]?.value).slice(0, 200)} (${wrong[n]?.why}): ${code}`);
      }
      count += wrong.length;
      frames.ws.terminate();
    }
    expect(faults).toEqual([]);
    expect(count).toBeGreaterThan(250);
  });

  it('is forbidden for a token of less scope, which is told what is needed', async () => {
    const { token } = await gateway.tokenOf('view');
    let refused = 0;
    for (const path of sockets()) {
      const frames = await open(path, token);
      const rows = contract.frames.filter((row) => row.path === path);
      const tag = rows[0]?.tag ?? 't';
      for (const row of rows) {
        const sent = variants(row, { session });
        for (const [n, answer] of (await refusalsOf(frames, tag, sent)).entries()) {
          const code = codeOf(answer);
          if (row.scope === 'view') expect.soft([path, sent[n], code]).not.toContain('forbidden');
          else {
            expect.soft([path, sent[n], code]).toEqual([path, sent[n], 'forbidden']);
            expect.soft(answer?.error?.message ?? answer?.error).toContain(`"${row.scope}"`);
            if (path === '/v1/ws') expect.soft(answer?.error?.details).toEqual({ needed: row.scope, held: 'view' });
            refused += 1;
          }
        }
      }
      frames.ws.terminate();
    }
    expect(refused).toBeGreaterThan(40);
    expect(await gateway.info(session)).toMatchObject({ running: true, outputOffset: 0, lease: null });
  });

  it('of /v1/ws is not there for guests of share links, unless the document says so', async () => {
    for (const mode of ['view', 'type']) {
      const link = await gateway.ask('/v1/shares', { body: { session, mode } });
      const { json } = await gateway.ask('/v1/shares/redeem', { token: null, body: { secret: link.json.secret } });
      const frames = await open('/v1/ws', json.credential);
      for (const row of contract.frames.filter(({ path }) => path === '/v1/ws')) {
        const [shown, hidden] = await refusalsOf(frames, 't', [
          sample(row, { session, action: 'ask' }),
          sample(row, { session: other }),
        ]);
        const isForbidden = row.scope !== 'view' && mode === 'view';
        const name = `${row.name} (${mode})`;
        if (!row.guests) expect.soft([name, codeOf(shown), codeOf(hidden)]).toEqual([name, 'not_found', 'not_found']);
        else if (isForbidden) expect.soft([name, codeOf(shown)]).toEqual([name, 'forbidden']);
        else expect.soft([name, codeOf(shown)]).not.toEqual([name, 'not_found']);
        if (row.guests && !isForbidden) expect.soft([name, codeOf(hidden)]).toEqual([name, missing(row)]);
      }
      frames.ws.terminate();
    }
  });

  it('of /v1/ws says what is not there of a session and a conversation that never were', async () => {
    const frames = await open('/v1/ws');
    for (const row of contract.frames.filter(({ path }) => path === '/v1/ws')) {
      const [answer] = await refusalsOf(frames, 't', [sample(row)]);
      expect.soft([row.name, codeOf(answer)]).toEqual([row.name, missing(row)]);
    }
  });
});

/** The code for a frame that names what is not there, or is not shown; undefined where it names nothing, or stops something. */
function missing({ name, schema }: FrameRow): string | undefined {
  if (name === 'unsubscribe' || name === 'unfollow' || name === 'look') return undefined;
  // A client without a subscription learns no more about a session.
  if (name === 'watch_watchers') return 'not_subscribed';
  if (schema.properties?.conversation !== undefined) return 'conversation_not_found';
  return schema.properties?.session === undefined ? undefined : 'session_not_found';
}
