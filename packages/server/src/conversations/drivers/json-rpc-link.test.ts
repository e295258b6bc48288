import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordingOut } from './acp/acp.fixture.ts';
import { acpDriver } from './acp/acp.ts';
import { claudeCodeDriver } from './claude-code/claude-code.ts';
import { jsonRpc } from './json-rpc.ts';
import { FRESH_RPC_STATE, JsonRpcLink, type RpcState } from './json-rpc-link.ts';

/** A link whose agent may have two approvals of 10 bytes in all, and what its driver got. */
function open(state: Partial<RpcState> = {}) {
  const out = new RecordingOut();
  const got: unknown[][] = [];
  const link = new JsonRpcLink<RpcState>(
    out,
    { ...FRESH_RPC_STATE, turn: { isCancelling: false }, ...state },
    {
      codec: jsonRpc(),
      maxApprovals: 2,
      maxApprovalBytes: 10,
      result: ({ id, method }, result) => void got.push([id, method, result]),
      error: ({ id, method }, { code }) => void got.push([id, method, code]),
      request: ({ method }) => void got.push([method]),
      notification: (method) => void got.push([method]),
      answerOf: ({ id }, option) => (option === 'unknown' ? undefined : { [id]: option }),
      rubbishError: (line) => ({ message: `No protocol: ${line}` }),
    },
  );
  const sent = (): unknown[] =>
    out.deeds.filter(([what]) => what === 'send').map(([, line]) => JSON.parse(String(line)));
  const ask = (id: string, bytes = 1): boolean => {
    const isRoom = link.canAsk(id, bytes);
    if (isRoom) link.ask({ id, request: `request ${id}`, bytes }, { title: id, detail: id, options: [] });
    return isRoom;
  };
  return { link, out, got, sent, ask };
}

const failureOf = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};

describe('the calls of a link', () => {
  it('get one answer each, whatever the agent sends and wherever a new link goes on', () => {
    const step = fc.oneof(
      fc.constant('call' as const),
      fc.constant('cut' as const),
      fc.record({ id: fc.integer({ min: 0, max: 8 }), isError: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let talk = open();
        const waiting = new Set<number>();
        let calls = 0;
        for (const step of steps) {
          if (step === 'call') {
            talk.link.call('m', {});
            calls += 1;
            waiting.add(calls);
            expect(talk.sent().at(-1)).toEqual({ id: calls, method: 'm', params: {} });
          } else if (step === 'cut') talk = open(JSON.parse(JSON.stringify(talk.link.state)) as RpcState);
          else {
            const before = talk.got.length;
            const answer = step.isError ? { error: { code: 7, message: 'no' } } : { result: 'yes' };
            talk.link.line(JSON.stringify({ id: step.id, ...answer }));
            const isKnown = waiting.delete(step.id);
            expect(talk.got.slice(before)).toEqual(isKnown ? [[step.id, 'm', step.isError ? 7 : 'yes']] : []);
          }
          expect(talk.link.state.pending.map(({ id }) => id)).toEqual([...waiting]);
        }
      }),
    );
  });

  it('are not confused by 20 lines of something else, and blank lines do not count', () => {
    const { link } = open();
    for (let n = 0; n < 20; n += 1) link.line('WARN');
    for (let n = 0; n < 100; n += 1) link.line('  ');
    expect(failureOf(() => link.line('WARN'))).toBe('agent_protocol');
  });
});

describe('the approvals of a link', () => {
  it('are as many and as large as the driver says, and a repeated request replaces the earlier one', () => {
    const { link, ask } = open();
    expect([ask('a', 4), ask('b', 7)]).toEqual([true, false]);
    expect([ask('b', 6), ask('c', 0), ask('b', 5)]).toEqual([true, false, true]);
    expect(link.state.approvals.map(({ id, bytes }) => [id, bytes])).toEqual([
      ['a', 4],
      ['b', 5],
    ]);
  });

  it('are for nobody without a turn, or while it is cancelled', () => {
    expect(open({ turn: null }).ask('a')).toBe(false);
    expect(open({ turn: { isCancelling: true } }).ask('a')).toBe(false);
  });

  it('are answered once, with an option that was offered, and not after they are withdrawn or the turn is over', () => {
    const { link, out, sent, ask } = open();
    ask('a');
    ask('b');
    link.answer('a', 'unknown');
    link.answer('a', 'yes');
    link.answer('a', 'no');
    expect([link.withdraw('request b'), link.withdraw('request b')]).toEqual([true, false]);
    link.answer('b', 'yes');
    ask('c');
    link.end({ kind: 'done' });
    link.answer('c', 'yes');
    expect(sent()).toEqual([{ id: 'request a', result: { a: 'yes' } }]);
    expect(out.deeds.filter(([what]) => what === 'withdraw')).toEqual([['withdraw', 'b']]);
  });

  it('that are refused, and failed requests, are 1000 per turn', () => {
    const { link, sent } = open();
    for (let n = 0; n < 500; n += 1) {
      link.refuse(n, {});
      link.fail(n, -1, 'no');
    }
    expect(sent().slice(-2)).toEqual([
      { id: 499, result: {} },
      { id: 499, error: { code: -1, message: 'no' } },
    ]);
    expect([failureOf(() => link.refuse(1, {})), failureOf(() => link.fail(1, -1, 'no'))]).toEqual([
      'agent_flood',
      'agent_flood',
    ]);
  });
});

describe('the state of version 0.1', () => {
  const parts = { memory: null, cwd: '/work' };
  const common = { nextId: 4, refused: 0, rubbish: 0 };

  it('of acp is continued: its request gets the answer', () => {
    const out = new RecordingOut();
    const turn = { message: 'm', text: null, isCancelling: false };
    const state = { ...common, asked: { id: 3, method: 'session/prompt' }, session: 's', turn, isReady: true };
    const link = acpDriver.link({ id: 'a', driver: 'acp', command: ['x'] }, out, { ...parts, state });
    link.line?.('{"id":3,"result":{"stopReason":"end_turn"}}');
    expect(out.deeds).toEqual([['ended', { kind: 'done', stopReason: 'end_turn' }]]);
    expect(link.state).not.toHaveProperty('asked');
  });

  it('of claude-code is continued: an approval is answered, and a message is taken back', () => {
    const out = new RecordingOut();
    const steers = [{ message: 'm', uuid: 'u' }];
    const state = {
      ...common,
      session: 's',
      turn: { isCancelling: true, steers, usage: {}, costBefore: 0 },
      asked: [{ request: 'r', input: { a: 1 }, suggestions: [], bytes: 9 }],
      takingBack: [{ request: 'binnacle-2', message: 'm' }],
    };
    const link = claudeCodeDriver.link({ id: 'a', driver: 'claude-code' }, out, { ...parts, state });
    link.answer('r', 'allow');
    const response = { behavior: 'allow', updatedInput: { a: 1 } };
    expect(JSON.parse(String(out.deeds[0]?.[1]))).toMatchObject({ response: { request_id: 'r', response } });
    const answer = { subtype: 'success', request_id: 'binnacle-2', response: { cancelled: true } };
    link.line?.(JSON.stringify({ type: 'control_response', response: answer }));
    link.line?.(JSON.stringify({ type: 'result' }));
    expect(out.deeds.at(-1)).toEqual(['ended', { kind: 'cancelled' }]);
  });
});
