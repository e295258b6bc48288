import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Call, playCalls } from '../codex/codex.fixture.ts';
import { claudeCodeDriver } from './claude-code.ts';

const talk = { driver: claudeCodeDriver };
const NO_CUTS: ReadonlySet<number> = new Set();
const line = (message: object): Call => [
  'line',
  JSON.stringify({ session_id: 's', parent_tool_use_id: null, ...message }),
];
const event = (of: object): Call => line({ type: 'stream_event', event: of });
const text = (delta: string): Call =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: delta } });
const thought = (delta: string): Call =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: delta } });
const block = (type: string): Call => event({ type: 'content_block_start', index: 0, content_block: { type } });
const message = event({ type: 'message_start', message: {} });
const assistant = (...content: object[]): Call => line({ type: 'assistant', message: { model: 'm', content } });
const init = line({ type: 'system', subtype: 'init' });
const result = (more: object = {}): Call =>
  line({
    type: 'result',
    subtype: 'success',
    is_error: false,
    result: '',
    stop_reason: 'end_turn',
    total_cost_usd: 0.5,
    usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 5 },
    ...more,
  });
const use = (id: string, name: string, input: object): Call => assistant({ type: 'tool_use', id, name, input });
const gave = (id: string, content: unknown, is_error = false): Call =>
  line({
    type: 'user',
    message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content, is_error }] },
  });
const ask = (request_id: string, more: object = {}): Call =>
  line({
    type: 'control_request',
    request_id,
    request: {
      subtype: 'can_use_tool',
      tool_name: 'Bash',
      input: { command: 'git push' },
      tool_use_id: 'u1',
      permission_suggestions: [
        { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'git push *' }], destination: 'localSettings' },
      ],
      ...more,
    },
  });
const prompt = (id = 'm1'): Call => ['prompt', { id, text: 'hi' }];

type Sent = Record<string, unknown> & { uuid?: string };
const sent = (calls: readonly Call[]): Sent[] =>
  playCalls(talk, calls, NO_CUTS)
    .deeds.filter(([what]) => what === 'send')
    .map(([, line]) => JSON.parse(String(line)) as Sent);
const deedsOf = (calls: readonly Call[], what: string): unknown[] =>
  playCalls(talk, calls, NO_CUTS)
    .deeds.filter(([name]) => name === what)
    .map(([, one]) => one);
/** The line by which it says that a message of ours is part of the talk. */
const replay = (calls: readonly Call[], nth: number): Call => {
  const uuid = sent(calls).filter(({ type }) => type === 'user')[nth]?.uuid;
  return line({ type: 'user', message: { role: 'user', content: 'x' }, uuid, isReplay: true });
};

/** Written after what Claude Code 2.1.197 was seen to say. */
const opened: readonly Call[] = [prompt(), init, message, block('thinking'), thought('Hm.'), block('text')];
const TALK: readonly Call[] = [
  ...opened,
  text('I will'),
  text(' push.'),
  assistant({ type: 'text', text: 'I will push.' }),
  block('tool_use'),
  use('u1', 'Bash', { command: 'git push' }),
  ask('r1'),
  ['answer', 'r1', 'allow-0'],
  gave('u1', [{ type: 'text', text: 'pushed' }]),
  message,
  block('text'),
  text('Done'),
  ['inject', { id: 'm2', text: 'and tag' }],
  assistant({ type: 'text', text: 'Done.' }),
  result(),
  init,
  message,
  block('text'),
  text('Tagged.'),
  replay([prompt(), ['inject', { id: 'm2', text: 'and tag' }]], 1),
  assistant({ type: 'text', text: 'Tagged.' }),
  result({ total_cost_usd: 0.75 }),
  prompt('m3'),
  message,
  block('text'),
  text('word1'),
  ['inject', { id: 'm4', text: 'more' }],
  ['interrupt'],
  line({
    type: 'control_response',
    response: { subtype: 'success', request_id: 'binnacle-1', response: { cancelled: true } },
  }),
  line({ type: 'control_response', response: { subtype: 'success', request_id: 'binnacle-2' } }),
  result({ subtype: 'error_during_execution', is_error: true }),
];

describe('the link to Claude Code', () => {
  it('tells that it asks its model again: how often, why, and when', () => {
    const retry = (more: object): Call => line({ type: 'system', subtype: 'api_retry', ...more });
    const reported = (more: object) => deedsOf([prompt(), init, retry(more)], 'agent').at(-1);
    expect(
      reported({ attempt: 3, max_retries: 10, retry_delay_ms: 2000.4, error_status: 529, error: 'overloaded' }),
    ).toBe('retry');
    const { deeds } = playCalls(
      talk,
      [prompt(), init, retry({ attempt: 3, max_retries: 10, retry_delay_ms: 2000.4, error: 'rate_limit' })],
      NO_CUTS,
    );
    expect(deeds).toContainEqual(['agent', 'retry', { attempt: 3, of: 10, why: 'rate limit', delayMs: 2000 }]);
    expect(reported({ attempt: 'soon' })).toBeUndefined();
  });

  it('tells a whole talk', () => {
    const { deeds } = playCalls(talk, TALK, NO_CUTS);
    const reported = deeds.filter(([what]) => !['send', 'approval', 'tool', 'usage'].includes(what));
    expect(reported).toEqual([
      ['thought', 'Hm.'],
      ['said', 'I will'],
      ['said', ' push.'],
      ['paragraph'],
      ['said', 'Done'],
      ['said', '.'],
      ['paragraph'],
      ['said', 'Tagged.'],
      ['delivered', 'm2'],
      ['ended', { kind: 'done', stopReason: 'end_turn' }],
      ['paragraph'],
      ['said', 'word1'],
      ['ended', { kind: 'cancelled' }],
    ]);
    expect(deedsOf(TALK, 'tool')).toMatchObject([
      { id: 'u1', title: 'git push', kind: 'execute', status: 'running', input: { command: 'git push' } },
      { id: 'u1', title: 'git push', status: 'done', output: 'pushed', input: { command: 'git push' } },
    ]);
    expect(deedsOf(TALK, 'usage').slice(0, 2)).toEqual([
      { inputTokens: 7, outputTokens: 5, costUsd: 0.5 },
      { inputTokens: 14, outputTokens: 10, costUsd: 0.75 },
    ]);
  });

  it('goes on after a cut at every call with the same deeds and the same states', () => {
    const whole = playCalls(talk, TALK, NO_CUTS);
    for (let at = 1; at < TALK.length; at++) {
      const cut = playCalls(talk, TALK, new Set([at]));
      expect(cut.deeds, `cut before ${at}`).toEqual(whole.deeds);
      expect(cut.states).toEqual(whole.states);
    }
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: TALK.length - 1 })), (cuts) => {
        expect(playCalls(talk, TALK, new Set(cuts)).deeds).toEqual(whole.deeds);
      }),
      { numRuns: 50 },
    );
  });

  it('answers with the input that was asked about, and with the suggestion that was chosen', () => {
    const answers = (option: string) =>
      sent([prompt(), ask('r'), ['answer', 'r', option]]).at(-1)?.response as { response: object };
    const updatedInput = { command: 'git push' };
    expect(answers('allow').response).toEqual({ behavior: 'allow', updatedInput });
    expect(answers('allow-0').response).toMatchObject({ updatedInput, updatedPermissions: [{ type: 'addRules' }] });
    expect(answers('deny').response).toMatchObject({ behavior: 'deny' });
    // Never a yes to what nobody was asked.
    expect(answers('allow-1').response).toMatchObject({ behavior: 'deny' });
    expect(deedsOf([prompt(), ask('r')], 'approval')[0]).toMatchObject({
      id: 'r',
      title: 'git push',
      tool: 'u1',
      options: [
        { id: 'allow', kind: 'allow_once' },
        { id: 'allow-0', kind: 'allow_always', label: 'Allow Bash(git push *) in this project, for you' },
        { id: 'deny', kind: 'deny_once' },
      ],
    });
  });

  it('shows the changes that it asks about', () => {
    const input = { file_path: '/f', old_string: 'a', new_string: 'b' };
    const [request] = deedsOf([prompt(), ask('r', { tool_name: 'Edit', input })], 'approval') as [{ detail: string }];
    expect(request.detail).toBe('/f\n- a\n+ b');
    const call = deedsOf([prompt(), use('u', 'Edit', input)], 'tool')[0];
    expect(call).toMatchObject({ title: 'Edit /f', kind: 'edit', diffs: [{ path: '/f', before: 'a', after: 'b' }] });
  });

  it('denies what cannot be asked: without a turn, too large, or of another kind', () => {
    expect(sent([ask('r')])).toMatchObject([{ response: { response: { behavior: 'deny' } } }]);
    const large = ask('r', { input: { command: 'x'.repeat(256 * 1024) } });
    expect(sent([prompt(), large]).at(-1)).toMatchObject({ response: { response: { behavior: 'deny' } } });
    const hook = line({ type: 'control_request', request_id: 'r', request: { subtype: 'hook_callback' } });
    expect(sent([prompt(), hook]).at(-1)).toMatchObject({ response: { subtype: 'error', request_id: 'r' } });
  });

  it('withdraws what it does not want to know any more', () => {
    const calls: Call[] = [prompt(), ask('r'), line({ type: 'control_cancel_request', request_id: 'r' })];
    expect(deedsOf(calls, 'withdraw')).toEqual(['r']);
    expect(sent([...calls, ['answer', 'r', 'allow']]).length).toBe(1);
  });

  it('takes back on an interrupt what was not read, and waits for what was', () => {
    const calls: Call[] = [prompt(), message, ['inject', { id: 'm2', text: 'x' }], ['interrupt']];
    const [, steer, back, stop] = sent(calls);
    expect(back).toMatchObject({ request: { subtype: 'cancel_async_message', message_uuid: steer?.uuid } });
    expect(stop).toMatchObject({ request: { subtype: 'interrupt' } });
    const failed = result({ subtype: 'error_during_execution', is_error: true });
    expect(deedsOf([...calls, failed], 'ended')).toEqual([]);
    expect(deedsOf([...calls, replay(calls, 1), failed], 'ended')).toEqual([{ kind: 'cancelled' }]);
  });

  it('ends with what the program itself answers, and with what went wrong', () => {
    const cost = line({
      type: 'assistant',
      message: { model: '<synthetic>', content: [{ type: 'text', text: '$1' }] },
    });
    expect(deedsOf([prompt(), cost, result({ result: '$1' })], 'said')).toEqual(['$1']);
    expect(deedsOf([prompt(), cost, result({ is_error: true, result: 'API Error: 400' })], 'said')).toEqual([]);
    expect(deedsOf([prompt(), result({ is_error: true, result: 'Please run /login' })], 'ended')).toEqual([
      {
        kind: 'failed',
        message: 'Please run /login',
        hint: 'Run `claude` once as the user of the gateway and log in.',
      },
    ]);
  });

  it('keeps a plan, shows what sub-agents do and not what they say', () => {
    const todos = [{ content: 'a', status: 'pending', activeForm: 'doing a' }];
    expect(deedsOf([prompt(), use('u', 'TodoWrite', { todos })], 'agent')).toEqual(['plan']);
    const sub = (calls: Call): Call => [
      'line',
      JSON.stringify({ ...JSON.parse(String(calls[1])), parent_tool_use_id: 'p' }),
    ];
    const calls: Call[] = [
      prompt(),
      sub(text('x')),
      sub(assistant({ type: 'text', text: 'x' })),
      sub(use('u', 'Read', {})),
    ];
    expect(deedsOf(calls, 'said')).toEqual([]);
    expect(deedsOf(calls, 'tool')).toMatchObject([{ title: 'Read', kind: 'read' }]);
  });

  it('passes over what comes without a turn, and what it does not know', () => {
    const unrelated: Call[] = [
      text('x'),
      assistant({ type: 'text', text: 'x' }),
      result(),
      line({ type: 'news' }),
      gave('u', 'x'),
    ];
    expect(playCalls(talk, unrelated, NO_CUTS).deeds).toEqual([]);
  });

  it('launches what the settings say, and goes on with what it remembers', () => {
    const { argv } = claudeCodeDriver.launch(
      { id: 'a', driver: 'claude-code', command: ['/opt/claude', '--x'], model: 'opus', instructions: 'Be brief.' },
      { memory: 's', prompt: { id: 'm1', text: '' } },
    );
    expect(argv.slice(0, 3)).toEqual(['/opt/claude', '--x', '-p']);
    expect(argv.slice(-6)).toEqual(['--model', 'opus', '--append-system-prompt', 'Be brief.', '--resume', 's']);
    expect(claudeCodeDriver.memoryOf(playCalls(talk, [prompt(), init], NO_CUTS).link.state)).toBe('s');
  });

  it('forgets a lost session, which a result or stderr reports', () => {
    const reason = 'No conversation found with session ID: s';
    const byResult = playCalls(
      talk,
      [prompt(), result({ is_error: true, result: undefined, errors: [reason] })],
      NO_CUTS,
    );
    expect(claudeCodeDriver.memoryOf(byResult.link.state)).toBe('');
    const { link } = playCalls(talk, [prompt()], NO_CUTS);
    link.exited?.({ exitCode: 1, signal: null, stderr: reason });
    expect(claudeCodeDriver.memoryOf(link.state)).toBe('');
    const { argv } = claudeCodeDriver.launch({ id: 'a', driver: 'x' }, { memory: '', prompt: { id: 'm', text: '' } });
    expect(argv).not.toContain('--resume');
  });

  it('keeps little, bears some rubbish, and never falls over', () => {
    const many = Array.from({ length: 100 }, (_, i) =>
      use(`u${i}`, 'Write', { file_path: '/f', content: 'x'.repeat(9000) }),
    );
    const { states } = playCalls(talk, [prompt(), ...many], NO_CUTS);
    for (const state of states) expect(JSON.stringify(state).length).toBeLessThan(64 * 1024);
    const rubbish = Array<Call>(20).fill(['line', 'hello']);
    expect(deedsOf([prompt(), ...rubbish, result()], 'ended').length).toBe(1);
    expect(() => playCalls(talk, [prompt(), ...rubbish, ['line', '[]']], NO_CUTS)).toThrow(
      expect.objectContaining({ code: 'agent_protocol' }),
    );
    const type = fc.constantFrom('system', 'stream_event', 'assistant', 'user', 'control_request', 'control_response');
    fc.assert(
      fc.property(fc.array(fc.tuple(type, fc.dictionary(fc.string(), fc.jsonValue()))), (lines) => {
        const calls = lines.map(([type, more]) => line({ ...more, type }));
        expect(() => playCalls(talk, [prompt(), ...calls], NO_CUTS)).not.toThrow();
      }),
    );
  });
});
