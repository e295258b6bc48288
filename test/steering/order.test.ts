// Frames of one connection act in the order in which they were sent, with a real gateway, runner and program.

import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

/** Writes what it is given. */
const recorder = () => gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
const leaseOf = (id: string, body: object) => gateway.ask(`/v1/sessions/${id}/lease`, { body });
const written = async (id: string): Promise<string> => (await gateway.ask(`/v1/sessions/${id}/output`)).text;

describe('what one connection sends', () => {
  it('is judged by who has the lease then: input behind a take-over is the taker’s, without a wait between them', async () => {
    const { id } = await recorder();
    const frames = await gateway.frames();
    let sent = '';
    for (let round = 0; round < 20; round += 1) {
      expect((await leaseOf(id, { action: 'take', holder: 'a script' })).status).toBe(200);
      const answers = await Promise.all([
        frames.ask({ t: 'input', session: id, text: 'too early\n' }),
        frames.ask({ t: 'lease', session: id, action: 'take' }),
        frames.ask({ t: 'input', session: id, text: `${round} a\n` }),
        frames.ask({ t: 'input', session: id, text: `${round} b\n` }),
        frames.ask({ t: 'lease', session: id, action: 'release' }),
      ]);
      expect(answers.map((answer) => answer.error?.code ?? 'ok')).toEqual(['lease_held', 'ok', 'ok', 'ok', 'ok']);
      sent += `${round} a\n${round} b\n`;
    }
    await until('all of it is written', async () => (await written(id)).length >= sent.length);
    expect(await written(id)).toBe(sent);
  });

  it('needs no secret to renew, to release or to hand over what it holds; nobody else can', async () => {
    const { id } = await recorder();
    const [holder, other] = await Promise.all([gateway.frames(), gateway.frames()]);
    const lease = (action: string, more: object = {}) => ({ t: 'lease', session: id, action, ...more });
    const { result } = await holder.ask(lease('acquire', { autoReleaseAfterMs: 7000 }));
    expect(result.expiresInMs).toBe(7000);
    const renewed = await holder.ask(lease('renew'));
    expect(renewed.result).toEqual({ holder: result.holder, fence: result.fence, expiresInMs: 7000 });
    for (const action of ['renew', 'release']) {
      expect((await other.ask(lease(action))).error.code).toBe('lease_lost');
      expect((await leaseOf(id, { action })).code).toBe('lease_lost');
    }
    expect((await holder.ask(lease('release'))).result).toEqual({ released: true });
    expect((await holder.ask(lease('renew'))).error.code).toBe('lease_lost');
    expect((await leaseOf(id, { action: 'acquire' })).status).toBe(200);
  });

  it('may call the time of a lease by either name, wherever a lease is asked for, but not by both', async () => {
    const { id } = await recorder();
    const frames = await gateway.frames();
    const both = { ttlMs: 5000, autoReleaseAfterMs: 6000 };
    const isNear = (ms: number): boolean => ms > 5000 && ms <= 6000;
    const refused = await frames.ask({ t: 'lease', session: id, action: 'acquire', ...both });
    expect(refused.error).toMatchObject({ code: 'bad_request' });
    const asked = await leaseOf(id, { action: 'acquire', autoReleaseAfterMs: 6000 });
    expect(isNear(asked.json.expiresInMs)).toBe(true);
    expect((await leaseOf(id, { action: 'acquire', ...both })).code).toBe('bad_request');
    const made = await gateway.ask('/v1/conversations', { body: { name: 'leased' } });
    const path = `/v1/conversations/${encodeURIComponent(made.json.key)}/lease`;
    const ofConversation = await gateway.ask(path, { body: { action: 'acquire', autoReleaseAfterMs: 6000 } });
    expect(isNear(ofConversation.json.expiresInMs)).toBe(true);
  });
});
