// /v1/ws: what each frame does and what each wrong one is answered with.

import { decodeOutput } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ maxSubscriptions: 4 });
});

const pipe = (command: string) => gateway.create({ command, mode: 'pipe' });
const NOBODY = '01890000-0000-7000-8000-000000000000';

describe('/v1/ws', () => {
  it('begins with hello', async () => {
    const begun = Date.now();
    const frames = await gateway.frames();
    const hello = await frames.next();
    expect(hello).toMatchObject({ seq: 1, t: 'hello', scope: 'admin', protocol: 1, heartbeatMs: 15_000 });
    expect(hello.time).toBeGreaterThanOrEqual(begun);
    expect(hello.time).toBeLessThanOrEqual(Date.now());
    expect(JSON.stringify(hello)).not.toContain(gateway.token);
  });

  it('answers a ping with its time and the clock of the server', async () => {
    const frames = await gateway.frames();
    const begun = Date.now();
    const pong = await frames.ask({ t: 'ping', time: 12_345.5 });
    expect(pong).toMatchObject({ t: 'pong', time: 12_345.5 });
    expect(pong.serverTime).toBeGreaterThanOrEqual(begun);
    expect(pong.serverTime).toBeLessThanOrEqual(Date.now());
  });

  it('counts every frame, the binary ones included', async () => {
    const { id } = await pipe('for i in $(seq 50); do echo out $i; echo err $i >&2; done; exit 5');
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id });
    await frames.next(({ t }) => t === 'end');
    await frames.ask({ t: 'ping', time: 1 });
    expect(frames.all.some((frame) => Buffer.isBuffer(frame))).toBe(true);
    for (const [index, frame] of frames.all.entries()) {
      if (!Buffer.isBuffer(frame)) expect(frame.seq).toBe(index + 1);
    }
    // tail-first: exit behind all output, then closed, then the end.
    const kinds = frames.all.map((frame) => (Buffer.isBuffer(frame) ? 'output' : (frame.kind ?? frame.t)));
    expect(kinds.lastIndexOf('output')).toBeLessThan(kinds.indexOf('exit'));
    expect(kinds.slice(kinds.indexOf('exit'))).toEqual(['exit', 'closed', 'end', 'pong']);
    const output = frames.all.filter((frame) => Buffer.isBuffer(frame)).map((frame) => decodeOutput(frame));
    let offset = 0;
    for (const frame of output) {
      expect(frame.offset).toBe(offset);
      offset += frame.bytes.length;
    }
    const text = (kind: string) =>
      Buffer.concat(output.filter((frame) => frame.kind === kind).map(({ bytes }) => bytes)).toString();
    expect(text('stdout').split('\n')).toHaveLength(51);
    expect(text('stderr').split('\n')).toHaveLength(51);
  });

  it('answers a subscription that cannot be with its ref, and the numbers', async () => {
    const { id } = await pipe('echo hello; sleep 30');
    await gateway.seen(id, 'hello');
    const frames = await gateway.frames();
    const { epoch } = await gateway.info(id);
    for (const [from, code] of [
      [{ offset: 7 }, 'offset_ahead'],
      [{ offset: -1 }, 'protocol_error'],
      [{ offset: 1.5 }, 'protocol_error'],
      [{ offset: 2 ** 53 }, 'protocol_error'],
      [{ offset: '5' }, 'protocol_error'],
      [{ offset: 1, tail: 1 }, 'protocol_error'],
      [{}, 'protocol_error'],
      ['yesterday', 'bad_position'],
      ['', 'bad_position'],
      [`${epoch}.zzzzz.zzzzz`, 'offset_ahead'],
      ['other.0.0', 'wrong_epoch'],
      [5, 'protocol_error'],
    ] as const) {
      const answer = await frames.ask({ t: 'subscribe', session: id, from });
      expect({ from, t: answer.t, code: answer.error?.code }).toEqual({ from, t: 'error', code });
    }
    const ahead = await frames.ask({ t: 'subscribe', session: id, from: { offset: 7 } });
    expect(ahead.error.details).toMatchObject({ headOffset: 6 });
    for (const session of [NOBODY, 'x', '', '../..', 'x'.repeat(64)]) {
      expect((await frames.ask({ t: 'subscribe', session })).error.code).toBe('session_not_found');
    }
    expect((await frames.ask({ t: 'subscribe', session: 'x'.repeat(65) })).error.code).toBe('protocol_error');
    for (const [from, text] of [
      [{ offset: 0 }, 'hello\n'],
      [{ offset: 3 }, 'lo\n'],
      [{ tail: 2 }, 'o\n'],
      [{ tail: 1_000 }, 'hello\n'],
      ['start', 'hello\n'],
      [undefined, 'hello\n'],
    ] as const) {
      const answer = await frames.ask({ t: 'subscribe', session: id, from });
      expect(answer).toMatchObject({ t: 'subscribed', session: id, info: { outputOffset: 6 } });
      const frame = decodeOutput(await frames.next((each) => Buffer.isBuffer(each)));
      expect(Buffer.from(frame.bytes).toString()).toBe(text);
    }
  });

  it('sends nothing of a session any more once unsubscribed', async () => {
    const { id } = await pipe('cat');
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id });
    await frames.ask({ t: 'input', session: id, text: 'one' });
    await frames.next((frame) => Buffer.isBuffer(frame));
    expect((await frames.ask({ t: 'unsubscribe', session: id })).t).toBe('ok');
    const before = frames.all.length;
    await frames.ask({ t: 'input', session: id, text: 'two' });
    await gateway.seen(id, 'two');
    await frames.ask({ t: 'ping', time: 1 });
    expect(frames.all.slice(before).map((frame) => (Buffer.isBuffer(frame) ? 'output' : frame.t))).toEqual([
      'ok',
      'pong',
    ]);
    expect((await frames.ask({ t: 'unsubscribe', session: id })).t).toBe('ok');
    expect((await frames.ask({ t: 'unsubscribe', session: NOBODY })).t).toBe('ok');
  });

  it('tells who watches of every session: new, changed, deleted', async () => {
    const frames = await gateway.frames();
    await frames.ask({ t: 'watch', on: true });
    const { id } = await pipe('read -r; exit 2');
    await frames.next(({ t, info }) => t === 'session' && info.id === id && info.state === 'running');
    await gateway.input(id, '\n');
    const closed = await frames.next(({ t, info }) => t === 'session' && info.id === id && info.state === 'closed');
    expect(closed.info.exitCode).toBe(2);
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    expect(await frames.next(({ t }) => t === 'deleted')).toMatchObject({ session: id });
    await frames.ask({ t: 'watch', on: false });
    const before = frames.all.length;
    await pipe('true');
    await frames.ask({ t: 'ping', time: 1 });
    expect(frames.all.slice(before).map(({ t }) => t)).toEqual(['pong']);
  });

  it('answers what is no frame, with the ref where there is one, and goes on', async () => {
    const frames = await gateway.frames();
    await frames.next();
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    frames.send(`{"t":"ping","time":1,"x":${deep}}`);
    expect(['error', 'pong']).toContain((await frames.next(({ t }) => t !== 'hello')).t);
    expect((await frames.ask({ t: 'subscribe' })).error.code).toBe('protocol_error');
    expect((await frames.ask({ t: 'watch', on: 'yes' })).error.code).toBe('protocol_error');
    expect((await frames.ask({ t: 'ping', time: 1 })).t).toBe('pong');
  });

  it('takes as many subscriptions as the limit says and no more, though all are asked for at once', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, async () => (await pipe('sleep 30')).id));
    const frames = await gateway.frames();
    const answers = await Promise.all(ids.map((session) => frames.ask({ t: 'subscribe', session })));
    expect(answers.filter(({ t }) => t === 'subscribed')).toHaveLength(4);
    const refused = answers.filter(({ t }) => t === 'error').map(({ error }) => [error.code, error.details.limit]);
    expect(refused).toEqual([
      ['too_many_subscriptions', 4],
      ['too_many_subscriptions', 4],
    ]);
    const [first] = answers.filter(({ t }) => t === 'subscribed');
    // One that it has already may begin anew.
    expect((await frames.ask({ t: 'subscribe', session: first.session })).t).toBe('subscribed');
    await frames.ask({ t: 'unsubscribe', session: first.session });
    const last = ids[answers.findIndex(({ t }) => t === 'error')];
    expect((await frames.ask({ t: 'subscribe', session: last })).t).toBe('subscribed');
  });

  it('ends the subscription to a session that is deleted', async () => {
    const { id } = await pipe('sleep 30');
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id });
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    await until('it is told', () =>
      frames.all.some((frame) => frame.t === 'end' || (frame.t === 'error' && frame.error.code === 'session_gone')),
    );
    expect((await frames.ask({ t: 'subscribe', session: id })).error.code).toMatch(/^session_(gone|not_found)$/);
  });
});
