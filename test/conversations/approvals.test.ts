// Requests of an agent for somebody's approval: who answers first, when nobody does, and over every restart.

import type { Approval, ApprovalAnswer, ConversationEvent, SessionInfo, SessionList } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inAll, some } from '../support/count.ts';
import { until } from '../support/until.ts';
import { pathOf } from './conversation.fixture.ts';
import { AGENTS, type Core, openCore } from './core.fixture.ts';

const config = {
  agents: {
    entries: {
      ...AGENTS,
      hasty: { ...AGENTS.acp, approvalTimeoutMs: 300 },
      hastyecho: { driver: 'echo', approvalTimeoutMs: 300 },
      slow: { ...AGENTS.acp, approvalTimeoutMs: 2000 },
      allowsonly: { driver: 'acp', command: [...AGENTS.acp.command, '--no-deny'], approvalTimeoutMs: 300 },
    },
  },
};

let core: Core;
beforeAll(async () => {
  core = await openCore({}, config);
});
afterAll(() => core.close());

async function asking(agent: string, text: string): Promise<{ readonly key: string; readonly approval: Approval }> {
  const key = await core.make(agent);
  await core.send(key, 'm1', text);
  return { key, approval: await approvalOf(key) };
}

async function approvalOf(key: string): Promise<Approval> {
  let found: Approval | undefined;
  await until('it asks', async () => {
    [found] = (await core.info(key)).approvals;
    return found !== undefined;
  });
  if (found === undefined) throw new Error('It does not ask.');
  return found;
}

const answerPath = (key: string, id: string): string => `${pathOf(key)}/approvals/${encodeURIComponent(id)}`;
const answer = (key: string, id: string, option: string, token?: string) =>
  core.ask(answerPath(key, id), { body: { option }, ...(token === undefined ? {} : { token }) });

async function answersIn(key: string): Promise<ApprovalAnswer[]> {
  const { events } = await core.log(key);
  return events.flatMap((event: ConversationEvent) => (event.type === 'approval_answered' ? [event.answer] : []));
}

const ASKING = [
  { agent: 'acp', text: 'ask rm -rf', allow: 'yes', deny: 'no', said: /yes/ },
  { agent: 'main', text: '/ask rm -rf', allow: 'allow', deny: 'deny', said: /"allow"/ },
];
describe.each(some(ASKING, 1))('a request of $agent', ({ agent, text, allow, deny, said }) => {
  test('is answered once, by whoever is first; who comes second is told by whom, and what', async () => {
    const [ann, ben] = [await core.tokenOf('ann'), await core.tokenOf('ben')];
    const key = await core.make(agent, { visibility: { kind: 'shared', with: ['ben'] }, name: 'race' }, ann);
    await core.send(key, 'm1', text, {}, ann);
    const approval = await approvalOf(key);
    expect(approval).toMatchObject({ run: 'm1', title: 'rm -rf' });
    expect(approval.expiresAt - approval.askedAt).toBe(300_000);
    const [one, other] = [await core.wire(ann), await core.wire(ben)];
    await one.ask({ t: 'follow', conversation: key, from: 'start' });
    const frame = { t: 'answer', conversation: key, approval: approval.id };
    const replies = await Promise.all([
      one.ask({ ...frame, option: allow }),
      other.ask({ ...frame, option: allow }),
      answer(key, approval.id, allow, ben),
    ]);
    const isWon = replies.map((reply) => ('t' in reply ? reply.t === 'ok' : reply.status === 200));
    expect(isWon.filter(Boolean)).toHaveLength(1);
    const winner = isWon[0] ? 'ann' : 'ben';
    for (const reply of replies) {
      const error = 't' in reply ? reply.error : reply.json.error;
      if (error === undefined) continue;
      expect(error).toMatchObject({
        code: 'approval_answered',
        details: { option: allow, by: `token of ${winner}`, reason: 'answered' },
      });
    }
    const run = await core.end(key, 'm1');
    expect(run.state).toBe('final');
    expect(run.text).toMatch(said);
    await one.untilSo(() => one.of(key).end('m1'));
    expect(await answersIn(key)).toEqual([
      { option: allow, by: { user: winner, name: `token of ${winner}` }, reason: 'answered' },
    ]);
    // And when the run is over.
    expect(await answer(key, approval.id, deny)).toMatchObject({ status: 409, code: 'approval_answered' });
    expect((await core.info(key)).approvals).toEqual([]);
  });

  test('that is denied is heard by the agent', async () => {
    const { key, approval } = await asking(agent, text);
    const reply = await answer(key, approval.id, deny);
    expect(reply).toMatchObject({ status: 200, json: { answer: { option: deny, reason: 'answered' } } });
    expect((await core.end(key, 'm1')).text).toMatch(agent === 'acp' ? /no/ : /"deny"/);
    const tools = (await core.log(key)).events.flatMap((event) => (event.type === 'tool' ? [event.tool.status] : []));
    expect(tools[0]).toBe('pending');
    expect(tools.at(-1)).toBe('failed');
    expect(tools).not.toContain('done');
  });

  test('is not answered by an option that it does not have, by a stranger, or by who may only look', async () => {
    const { key, approval } = await asking(agent, text);
    const options = approval.options.map(({ id }) => id);
    expect(await answer(key, approval.id, 'maybe')).toMatchObject({
      status: 400,
      code: 'unknown_option',
      json: { error: { details: { options } } },
    });
    expect(await answer(key, 'm1.nothing', allow)).toMatchObject({ status: 404, code: 'approval_not_found' });
    expect(await answer(key, '', allow)).toMatchObject({ status: 404 });
    expect((await answer(key, approval.id, allow, await core.tokenOf('stranger'))).code).toBe('conversation_not_found');
    expect((await answer(key, approval.id, allow, await core.tokenOf('looker', 'view'))).code).toBe('forbidden');
    expect((await core.info(key)).approvals).toHaveLength(1);
    await core.abort(key, 'm1');
  });

  test('is not there any more when its run is aborted, and that is in the log', async () => {
    const { key, approval } = await asking(agent, text);
    await core.abort(key, 'm1');
    expect((await core.info(key)).approvals).toEqual([]);
    expect(await answer(key, approval.id, allow)).toMatchObject({
      status: 409,
      code: 'approval_answered',
      json: { error: { details: { reason: 'run_ended' } } },
    });
    expect(await answersIn(key)).toMatchObject([{ option: '', reason: 'run_ended' }]);
    const types = (await core.log(key)).types;
    expect(types.indexOf('approval_answered')).toBeLessThan(types.indexOf('aborted'));
    await core.send(key, 'm2', agent === 'acp' ? 'say after' : 'after');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'after' });
  });
});

describe('a request that nobody answers', () => {
  test.each([
    { agent: 'hasty', text: 'ask rm', said: 'no' },
    { agent: 'hastyecho', text: '/ask rm', said: '"deny"' },
  ])('is denied by the time limit of $agent, and the run goes on', async ({ agent, text, said }) => {
    const { key, approval } = await asking(agent, text);
    expect(approval.expiresAt - approval.askedAt).toBe(300);
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'final' });
    expect(run.text).toContain(said);
    const [denied] = await answersIn(key);
    expect(denied).toMatchObject({ by: { user: null, name: 'time limit' }, reason: 'timed_out' });
    expect(await answer(key, approval.id, denied?.option ?? '')).toMatchObject({
      status: 409,
      json: { error: { details: { by: 'time limit', reason: 'timed_out' } } },
    });
  });

  test('and that the agent gives no option to deny with is denied all the same', async () => {
    const { key } = await asking('allowsonly', 'say before\nask rm');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'before\n\ncancelled' });
    expect(await answersIn(key)).toMatchObject([{ by: { name: 'time limit' }, reason: 'timed_out' }]);
  });

  inAll('is denied at its time though the gateway was killed meanwhile', async () => {
    const { key, approval } = await asking('slow', 'ask rm');
    await core.restart();
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'no' });
    const { events } = await core.log(key);
    const at = events.find(({ type }) => type === 'approval_answered')?.at ?? 0;
    expect(at).toBeGreaterThanOrEqual(approval.expiresAt);
  });
});

describe('a request that waits', () => {
  test('is seen by who comes later, by who comes back, and after a kill of the gateway', async () => {
    const { key, approval } = await asking('acp', 'ask rm');
    const early = await core.wire();
    const { info } = await early.ask({ t: 'follow', conversation: key });
    expect(info).toMatchObject({ approvals: [approval] });
    early.terminate();
    await core.kill();
    await core.start();
    const late = await core.wire();
    const following = await late.ask({ t: 'follow', conversation: key, from: 'start' });
    expect(following.info).toMatchObject({ approvals: [approval], run: { id: 'm1', state: 'running' } });
    expect(await answer(key, approval.id, 'yes')).toMatchObject({ status: 200 });
    await late.untilSo(() => late.of(key).end('m1'));
    expect(late.of(key).types.filter((type) => type.startsWith('approval'))).toEqual(['approval', 'approval_answered']);
    expect((await core.end(key, 'm1')).text).toBe('yes');
  });

  test('and was answered just before a kill reaches the agent once, and stays answered', async () => {
    const { key, approval } = await asking('acp', 'ask rm\nask cp\nsay end');
    expect((await answer(key, approval.id, 'yes')).status).toBe(200);
    await core.restart();
    const second = await approvalOf(key);
    expect(second.id).not.toBe(approval.id);
    expect(await answer(key, approval.id, 'no')).toMatchObject({
      status: 409,
      json: { error: { details: { option: 'yes', by: 'admin' } } },
    });
    expect((await answer(key, second.id, 'no')).status).toBe(200);
    expect((await core.end(key, 'm1')).text).toBe('yes\n\nnoend');
    expect((await answersIn(key)).map(({ option }) => option)).toEqual(['yes', 'no']);
  });

  inAll(
    'is what its terminals are waiting for, over a kill of the gateway; answered, they work until the turn ends',
    async () => {
      const { key, approval } = await asking(
        'acp',
        'linger echo from-the-agent; sleep 60\nask rm -rf \u202ebuild\nslow 150',
      );
      const ofAgent = async (query = ''): Promise<SessionInfo | undefined> => {
        const { sessions } = await core.must<SessionList>(200, `/v1/sessions?q=from-the-agent${query}`);
        return sessions[0];
      };
      const becomes = (state: string) => until(state, async () => (await ofAgent())?.activity?.state === state);
      await becomes('waiting_approval');
      const waiting = { state: 'waiting_approval', since: approval.askedAt, text: 'rm -rf build' };
      expect((await ofAgent('&activity=waiting'))?.activity).toEqual(waiting);
      await core.restart();
      await becomes('waiting_approval');
      expect((await ofAgent())?.activity).toEqual(waiting);
      expect((await answer(key, approval.id, 'yes')).status).toBe(200);
      await becomes('working');
      expect(await ofAgent('&activity=waiting')).toBeUndefined();
      await core.end(key, 'm1');
      await becomes('idle');
    },
  );

  test('and that the agent does not want answered any more is taken away', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'drop rm');
    expect((await core.end(key, 'm1')).state).toBe('final');
    expect(await answersIn(key)).toMatchObject([{ option: '', reason: 'run_ended' }]);
  });
});
