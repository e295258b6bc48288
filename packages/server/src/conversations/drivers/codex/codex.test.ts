import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Call, playCalls } from './codex.fixture.ts';
import { codexDriver } from './codex.ts';

/** Lines of the real Codex 0.169.0: an approval, a steer, a denial, an interrupt, a failure. */
const RECORDED = JSON.parse(readFileSync(join(import.meta.dirname, 'codex.recorded.json'), 'utf8')) as readonly Call[];

const talk = { driver: codexDriver };
const NO_CUTS: ReadonlySet<number> = new Set();
const THREAD = 't';
const line = (message: object): Call => ['line', JSON.stringify(message)];
const note = (method: string, params: object): Call => line({ method, params: { threadId: THREAD, ...params } });
const item = (how: 'started' | 'completed', it: object): Call => note(`item/${how}`, { item: it });
/** Until the turn is under way. */
const begun = (text = 'hi'): readonly Call[] => [
  ['prompt', { id: 'm1', text }],
  line({ id: 1, result: {} }),
  line({ id: 2, result: { thread: { id: THREAD } } }),
  line({ id: 3, result: { turn: { id: 'u', status: 'inProgress' } } }),
];
const completed = (status: string, error: object | null = null): Call =>
  note('turn/completed', { turn: { id: 'u', status, error } });
const deedsOf = (calls: readonly Call[], what: string): readonly unknown[][] =>
  playCalls(talk, calls, NO_CUTS)
    .deeds.filter(([name]) => name === what)
    .map(([, ...args]) => args);
const sent = (calls: readonly Call[], more = {}): Record<string, unknown>[] =>
  playCalls({ ...talk, ...more }, calls, NO_CUTS)
    .deeds.filter(([name]) => name === 'send')
    .map(([, text]) => JSON.parse(String(text)));

describe('the link to Codex', () => {
  it('tells a recorded talk as it was', () => {
    const { deeds } = playCalls(talk, RECORDED, NO_CUTS);
    const ends = deeds.filter(([what]) => what === 'ended').map(([, end]) => end);
    expect(ends).toEqual([
      { kind: 'done' },
      { kind: 'done' },
      { kind: 'done' },
      { kind: 'cancelled' },
      { kind: 'failed', message: 'As you wished: 400.' },
    ]);
    expect(deeds.filter(([what]) => what === 'delivered')).toEqual([['delivered', 'm3']]);
    expect(deeds.filter(([what]) => what === 'thought').map(([, text]) => text)).toEqual([
      'So it works.',
      'So it works.',
    ]);
    const outputs = deeds.filter(([what]) => what === 'tool').map(([, call]) => (call as { output?: string }).output);
    expect(outputs).toContain('hi\n');
  });

  it('goes on after a cut at every line with the same deeds and the same states', () => {
    const whole = playCalls(talk, RECORDED, NO_CUTS);
    for (let at = 1; at < RECORDED.length; at++) {
      const cut = playCalls(talk, RECORDED, new Set([at]));
      expect(cut.deeds, `cut before ${at}`).toEqual(whole.deeds);
      expect(cut.states).toEqual(whole.states);
    }
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: RECORDED.length - 1 })), (cuts) => {
        expect(playCalls(talk, RECORDED, new Set(cuts)).deeds).toEqual(whole.deeds);
      }),
      { numRuns: 30 },
    );
  });

  it('stores little, whatever it receives', () => {
    const floods: Call[] = [...begun()];
    for (let i = 0; i < 50; i++) {
      const command = 'x'.repeat(5000);
      floods.push(item('started', { type: 'commandExecution', id: `c${i}`, command, status: 'inProgress' }));
      for (let j = 0; j < 20; j++) {
        floods.push(note('item/commandExecution/outputDelta', { itemId: `c${i}`, delta: 'y'.repeat(1000) }));
      }
    }
    const { states } = playCalls(talk, floods, NO_CUTS);
    for (const state of states) expect(JSON.stringify(state).length).toBeLessThan(64 * 1024);
  });

  it('greets once, opens a thread with model and instructions, and begins the turn with the id of the message', () => {
    const settings = { model: 'o9', instructions: 'Be brief.' };
    const calls: Call[] = [...begun(), completed('completed'), ['prompt', { id: 'm2', text: 'again' }]];
    expect(sent(calls, { settings })).toMatchObject([
      { id: 1, method: 'initialize', params: { clientInfo: { name: 'binnacle' } } },
      { method: 'initialized' },
      { id: 2, method: 'thread/start', params: { cwd: '/work', model: 'o9', developerInstructions: 'Be brief.' } },
      { id: 3, method: 'turn/start', params: { threadId: THREAD, clientUserMessageId: 'm1' } },
      { id: 4, method: 'turn/start', params: { threadId: THREAD, clientUserMessageId: 'm2' } },
    ]);
  });

  it('goes on with the thread that it remembers, and begins another when that is gone', () => {
    const [prompt, greeted] = begun();
    const calls = [prompt, greeted, line({ id: 2, error: { code: -32600, message: 'no rollout' } })] as Call[];
    expect(sent(calls, { memory: 'old' })).toMatchObject([
      { method: 'initialize' },
      { method: 'initialized' },
      { method: 'thread/resume', params: { threadId: 'old', excludeTurns: true } },
      { id: 3, method: 'thread/start' },
    ]);
    // Codex does not store a thread without a turn.
    const opened = playCalls(talk, begun().slice(0, 2), NO_CUTS);
    expect(codexDriver.memoryOf(opened.link.state)).toBeNull();
    expect(codexDriver.memoryOf(playCalls(talk, begun(), NO_CUTS).link.state)).toBe(THREAD);
  });

  it('puts a paragraph between two messages and adds what no delta had', () => {
    const calls: Call[] = [
      ...begun(),
      note('item/agentMessage/delta', { itemId: 'a', delta: 'one' }),
      item('completed', { type: 'agentMessage', id: 'a', text: 'one more' }),
      item('completed', { type: 'agentMessage', id: 'b', text: 'two' }),
      completed('completed'),
    ];
    const { deeds } = playCalls(talk, calls, NO_CUTS);
    expect(deeds.filter(([what]) => what !== 'send')).toEqual([
      ['paragraph'],
      ['said', 'one'],
      ['said', ' more'],
      ['paragraph'],
      ['said', 'two'],
      ['ended', { kind: 'done' }],
    ]);
  });

  it('shows changes of files as they were and as they are', () => {
    const diff = '@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n\\ No newline at end of file\n';
    const changes = [
      { path: 'x', kind: { type: 'update', move_path: null }, diff },
      { path: 'y', kind: { type: 'add' }, diff: 'new\n' },
      { path: 'z', kind: { type: 'delete' }, diff: 'old\n' },
    ];
    const call = item('completed', { type: 'fileChange', id: 'f', status: 'completed', changes });
    expect(deedsOf([...begun(), call], 'tool')).toEqual([
      [
        {
          id: 'f',
          title: 'Edit x, y, z',
          kind: 'edit',
          status: 'done',
          diffs: [
            { path: 'x', before: 'a\nb\nd\n', after: 'a\nc\nd\n' },
            { path: 'y', before: null, after: 'new\n' },
            { path: 'z', before: 'old\n', after: '' },
          ],
        },
      ],
    ]);
  });

  it.each([
    [
      { type: 'mcpToolCall', id: 'i', server: 's', tool: 't', status: 'failed', error: { message: 'no' } },
      's: t',
      'no',
    ],
    [{ type: 'webSearch', id: 'i', query: 'q' }, 'Search the web: q', undefined],
    [{ type: 'imageView', id: 'i', path: '/p.png' }, 'Look at /p.png', undefined],
    [{ type: 'dynamicToolCall', id: 'i', tool: 'd', status: 'completed', contentItems: [{ text: 'o' }] }, 'd', 'o'],
  ])('shows what else it uses: %j', (it, title, output) => {
    const [[call]] = deedsOf([...begun(), item('completed', it)], 'tool') as [[{ title: string; output?: string }]];
    expect([call.title, call.output]).toEqual([title, output]);
  });

  it('counts the tokens of the turn, not of the thread', () => {
    const usage = (total: number, last: number): Call =>
      note('thread/tokenUsage/updated', {
        tokenUsage: {
          total: { inputTokens: total, outputTokens: total },
          last: { inputTokens: last, outputTokens: last },
        },
      });
    expect(deedsOf([...begun(), usage(100, 10), usage(105, 5)], 'usage').at(-1)).toEqual([
      { inputTokens: 15, outputTokens: 15 },
    ]);
  });

  it('answers approvals with what the option stands for, and withdraws those that were settled', () => {
    const amendment = { acceptWithExecpolicyAmendment: { execpolicy_amendment: ['git', 'push'] } };
    const ask = (id: number): Call =>
      line({
        id,
        method: 'item/commandExecution/requestApproval',
        params: {
          threadId: THREAD,
          itemId: 'c',
          command: 'git push',
          availableDecisions: ['accept', amendment, 'cancel'],
        },
      });
    const calls: Call[] = [...begun(), ask(0), ['answer', '0', 'acceptAlways'], ask(1), ['answer', '1', 'nonsense']];
    expect(sent(calls).at(-1)).toEqual({ id: 0, result: { decision: amendment } });
    expect(deedsOf(calls, 'approval')[0]?.[0]).toMatchObject({
      title: 'git push',
      tool: 'c',
      options: [
        { id: 'accept', kind: 'allow_once' },
        { id: 'acceptAlways', kind: 'allow_always', label: 'Always allow commands that begin with: git push' },
        { id: 'decline', kind: 'deny_once' },
      ],
    });
    const settled = [...calls, note('serverRequest/resolved', { requestId: 1 }), ['answer', '1', 'accept'] as const];
    expect(deedsOf(settled, 'withdraw')).toEqual([['1']]);
    expect(sent(settled).length).toBe(sent(calls).length);
  });

  it.each([
    ['item/fileChange/requestApproval', { itemId: 'f' }, { decision: 'decline' }],
    ['item/permissions/requestApproval', { permissions: { network: {}, fileSystem: null } }, { permissions: {} }],
    ['mcpServer/elicitation/request', { serverName: 's', mode: 'form', message: 'ok?' }, { action: 'decline' }],
  ])('asks for %s and denies it in its own words', (method, params, result) => {
    const calls: Call[] = [...begun(), line({ id: 'r', method, params }), ['answer', 'r', 'decline']];
    expect(sent(calls).at(-1)).toMatchObject({ id: 'r', result });
    // Before a turn nobody can be asked.
    expect(sent([line({ id: 'r', method, params })])).toMatchObject([{ id: 'r', result }]);
  });

  it('refuses what it does not know, so that Codex does not wait', () => {
    const calls: Call[] = [...begun(), line({ id: 9, method: 'item/tool/call', params: {} })];
    expect(sent(calls).at(-1)).toMatchObject({ id: 9, error: { code: -32601 } });
  });

  it('interrupts once the turn has an id, and ends at once what was not sent', () => {
    const [prompt, greeted, opened, started] = begun() as [Call, Call, Call, Call];
    expect(sent([prompt, greeted, opened, ['interrupt'], started]).at(-1)).toMatchObject({
      method: 'turn/interrupt',
      params: { threadId: THREAD, turnId: 'u' },
    });
    const early = playCalls(
      talk,
      [prompt, greeted, ['interrupt'], opened, ['prompt', { id: 'm2', text: 'x' }]],
      NO_CUTS,
    );
    expect(early.deeds.filter(([what]) => what === 'ended')).toEqual([['ended', { kind: 'cancelled' }]]);
    expect(JSON.parse(String(early.deeds.at(-1)?.[1]))).toMatchObject({ params: { clientUserMessageId: 'm2' } });
  });

  it('hands a message in once the turn has an id; one that was refused stays undelivered', () => {
    const [prompt, greeted, opened, started] = begun() as [Call, Call, Call, Call];
    const inject: Call = ['inject', { id: 'm2', text: 'x' }];
    const refused = line({ id: 4, error: { code: -32600, message: 'no active turn' } });
    const calls: Call[] = [prompt, greeted, opened, inject, started, refused, completed('completed')];
    expect(sent(calls).at(-1)).toMatchObject({ id: 4, method: 'turn/steer', params: { expectedTurnId: 'u' } });
    expect(deedsOf(calls, 'delivered')).toEqual([]);
    const taken = calls.map((call) => (call === refused ? line({ id: 4, result: { turnId: 'u' } }) : call));
    expect(deedsOf(taken, 'delivered')).toEqual([['m2']]);
  });

  it('passes over other threads, other turns and what comes when there is no turn', () => {
    const unrelated: Call[] = [
      line({ method: 'item/agentMessage/delta', params: { threadId: 'sub', itemId: 'a', delta: 'x' } }),
      note('turn/completed', { turn: { id: 'other', status: 'completed' } }),
      note('item/agentMessage/delta', { itemId: 3 }),
      line({ id: 77, result: {} }),
    ];
    const { deeds } = playCalls(talk, [...begun(), ...unrelated, completed('completed'), ...unrelated], NO_CUTS);
    expect(deeds.filter(([what]) => what !== 'send')).toEqual([['ended', { kind: 'done' }]]);
  });

  it('fails with the reason and says how to log in', () => {
    const error = { message: 'Not signed in', codexErrorInfo: 'unauthorized' };
    expect(deedsOf([...begun(), completed('failed', error)], 'ended')).toEqual([
      [{ kind: 'failed', message: 'Not signed in', hint: 'Run `codex login` as the user of the gateway.' }],
    ]);
    const [prompt] = begun() as [Call];
    expect(deedsOf([prompt, line({ id: 1, error: { code: 1, message: 'too old' } })], 'ended')).toEqual([
      [{ kind: 'failed', message: 'too old' }],
    ]);
  });

  it('bears twenty lines of rubbish, and gives up on more', () => {
    const rubbish = Array<Call>(20).fill(['line', 'WARN hello']);
    expect(deedsOf([...begun(), ...rubbish, completed('completed')], 'ended')).toEqual([[{ kind: 'done' }]]);
    expect(() => playCalls(talk, [...begun(), ...rubbish, ['line', '{']], NO_CUTS)).toThrow(
      expect.objectContaining({ code: 'agent_protocol' }),
    );
    expect(() => playCalls(talk, [...begun(), note('turn/completed', { turn: 7 })], NO_CUTS)).toThrow(
      expect.objectContaining({ code: 'agent_protocol' }),
    );
  });

  it('takes any JSON at any time without falling over', () => {
    const method = fc.constantFrom('item/started', 'item/completed', 'item/agentMessage/delta', 'error', 'warning');
    fc.assert(
      fc.property(fc.array(fc.tuple(method, fc.jsonValue())), (lines) => {
        const calls = lines.map(([method, params]) => line({ method, params }));
        expect(() => playCalls(talk, [...begun(), ...calls], NO_CUTS)).not.toThrow();
      }),
    );
  });
});
