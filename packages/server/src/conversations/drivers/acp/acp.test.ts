import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BinnacleError, type ToolCall } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { count, inAll, some } from '../../../../../../test/support/count.ts';
import { apply, type Call, type Deed, makeLink, RecordingOut, Talk, type TalkOptions } from './acp.fixture.ts';
import { acpDriver } from './acp.ts';
import { keepTool, type StoredCall } from './tool-calls.ts';

const talks: Talk[] = [];
const open = (options?: TalkOptions): Talk => {
  const talk = new Talk(options);
  talks.push(talk);
  return talk;
};
afterEach(() => {
  for (const talk of talks.splice(0)) talk.close();
});

const sent = (talk: Talk): Record<string, unknown>[] => talk.deeds('send').map(([, line]) => JSON.parse(String(line)));
const toolsOf = (talk: Talk): ToolCall[] => talk.deeds('tool').map(([, call]) => call as ToolCall);

describe('a turn', () => {
  test('is greeted, opened, reported in pieces, and ends with the reason and the usage', async () => {
    const talk = open();
    expect(await talk.turn('think let me see\nsay hello wide world')).toEqual({ kind: 'done', stopReason: 'end_turn' });
    expect(sent(talk).map(({ method }) => method)).toEqual(['initialize', 'session/new', 'session/prompt']);
    expect(sent(talk)[0]).toMatchObject({
      params: { clientCapabilities: { terminal: true, fs: { readTextFile: false, writeTextFile: false } } },
    });
    expect(talk.out.deeds.filter(([what]) => what !== 'send')).toEqual([
      ['thought', 'let me see'],
      ['said', 'hello'],
      ['said', ' wide'],
      ['said', ' world'],
      ['usage', { inputTokens: 37, outputTokens: 7 }],
      ['ended', { kind: 'done', stopReason: 'end_turn' }],
    ]);
  });

  test('of a session that is open already is one request', async () => {
    const talk = open();
    await talk.turn('say one');
    await talk.turn('recall');
    expect(talk.text).toBe('onesay one');
    expect(sent(talk).filter(({ method }) => method === 'initialize')).toHaveLength(1);
  });

  test('has paragraphs where a message ends or a tool comes between, and nowhere else', async () => {
    const talk = open();
    await talk.turn('tool first\nsay a b\nmessage c\nthink hm\nsay d\ntool x\nsay e');
    expect(talk.text).toBe('a b\n\ncd\n\ne');
  });

  test('begins with the instructions once in a session', async () => {
    const talk = open({ settings: { instructions: 'say I am instructed.' } });
    await talk.turn('say one');
    await talk.turn('say two');
    expect(talk.text).toBe('I am instructed.onetwo');
  });

  test('that is refused is done, with that as the reason', async () => {
    expect(await open().turn('refuse')).toEqual({ kind: 'done', stopReason: 'refusal' });
  });

  test("fails with the agent's own words, and the next one works", async () => {
    const talk = open();
    expect(await talk.turn('fail the moon is full')).toEqual({
      kind: 'failed',
      message: 'The agent failed (session/prompt): Internal error: the moon is full',
    });
    expect(await talk.turn('say better')).toMatchObject({ kind: 'done' });
  });

  test('tells plans and what it cost, counted from its own beginning', async () => {
    const talk = open();
    await talk.turn('plan read, write\nusage 0.5');
    await talk.turn('usage 0.75');
    expect(talk.deeds('agent')).toContainEqual([
      'agent',
      'plan',
      {
        entries: [
          { content: 'read', priority: 'medium', status: 'pending' },
          { content: 'write', priority: 'medium', status: 'pending' },
        ],
      },
    ]);
    const costs = talk.deeds('usage').flatMap(([, usage]) => (usage as { costUsd?: number }).costUsd ?? []);
    expect(costs).toEqual([0.5, 0.25]);
  });

  test('counts no cost that no run could have: it is as if there was no report', async () => {
    const talk = open();
    await talk.turn('usage 0.5\nusage 1e300');
    await talk.turn('usage -3\nusage 0.75');
    const costs = talk.deeds('usage').flatMap(([, usage]) => (usage as { costUsd?: number }).costUsd ?? []);
    expect(costs).toEqual([0.5, 0.25]);
  });
});

describe('a tool call', () => {
  test('is reported whole each time, with its output and its changes', async () => {
    const talk = open();
    await talk.turn('tool hi there\nedit /a.txt');
    const call = { id: 'call-1', title: 'print', kind: 'execute', input: { command: 'echo hi there' } };
    const edit = {
      id: 'call-2',
      title: 'Edit /a.txt',
      kind: 'edit',
      diffs: [{ path: '/a.txt', before: 'before\n', after: 'after\n' }],
    };
    expect(toolsOf(talk)).toEqual([
      { ...call, status: 'running' },
      { ...call, status: 'done', output: 'hi there' },
      { id: 'call-2', title: 'Edit /a.txt', kind: 'edit', status: 'running' },
      { ...edit, status: 'done' },
    ]);
  });

  test('runs in a terminal of ours, whose session it names, also after it was released', async () => {
    const talk = open();
    await talk.turn('term make all');
    expect(talk.text).toBe('ran t1 [0]');
    expect(talk.out.deeds.filter(([what]) => what.startsWith('terminal.'))).toEqual([
      ['terminal.create', 't1', { command: 'make all', args: [], cwd: talk.dir }],
      ['terminal.wait', 't1', expect.any(String)],
      ['terminal.output', 't1', expect.any(String), 1000],
      ['terminal.release', 't1'],
    ]);
    expect(toolsOf(talk).map(({ status, session }) => [status, session])).toEqual([
      ['running', 'session-of-t1'],
      ['done', 'session-of-t1'],
    ]);
  });

  test('that cannot have a terminal gets the reason, and the turn goes on', () => {
    const { link, out } = opened();
    link.line?.(request('terminal/create', { sessionId: 's', command: 'make' }));
    link.terminal?.({ kind: 'failed', ref: 't1', message: 'There are 32 terminals already.' });
    expect(lastSent(out)).toMatchObject({ id: 9, error: { code: -32603, message: 'There are 32 terminals already.' } });
    link.line?.(request('terminal/output', { sessionId: 's', terminalId: 't1' }));
    expect(lastSent(out)).toMatchObject({ id: 9, error: { code: -32002 } });
  });

  test('asks for no more output than one answer can hold', () => {
    const { link, out } = opened();
    link.line?.(request('terminal/create', { sessionId: 's', command: 'yes', outputByteLimit: 1e9 }));
    link.terminal?.({ kind: 'created', ref: 't1' });
    link.line?.(request('terminal/output', { sessionId: 's', terminalId: 't1' }));
    expect(out.deeds.at(-1)).toEqual(['terminal.output', 't1', '9', 96 * 1024]);
  });
});

describe('a permission', () => {
  test('is asked of a person, with the command, and the answer goes back by its id', async () => {
    const talk = open({ answer: (options) => options.find(({ kind }) => kind === 'allow_always')?.id ?? null });
    await talk.turn('ask rm -rf build');
    expect(talk.deeds('approval')).toEqual([
      [
        'approval',
        {
          id: 'm1-1',
          title: 'rm -rf build',
          detail: 'rm -rf build',
          tool: 'call-1',
          // An option of a kind that nobody knows is not offered.
          options: [
            { id: 'yes', label: 'Yes', kind: 'allow_once' },
            { id: 'yes-always', label: 'Yes, always', kind: 'allow_always' },
            { id: 'no', label: 'No', kind: 'deny_once' },
          ],
        },
      ],
    ]);
    expect(talk.text).toBe('yes-always');
    expect(toolsOf(talk).at(-1)).toMatchObject({ status: 'done' });
  });

  inAll('can be denied where the agent offers no way to', async () => {
    const talk = open({ flags: ['--no-deny'], answer: (options) => options.at(-1)?.id ?? null });
    await talk.turn('ask anything');
    expect(talk.text).toBe('cancelled');
    expect(toolsOf(talk).at(-1)).toMatchObject({ status: 'failed' });
  });

  test('that the agent does not want any more is withdrawn, and answered so', async () => {
    const talk = open({ answer: () => null });
    await talk.turn('drop it');
    expect(talk.deeds('withdraw')).toEqual([['withdraw', 'm1-1']]);
    expect(talk.text).toBe('dropped -32800');
    talk.do({ call: 'answer', approval: 'm1-1', option: 'yes' });
    expect(talk.out.deeds.at(-1)?.[0]).toBe('ended');
  });

  test('that is asked for while no turn is under way is not given', () => {
    const { link, out } = opened();
    link.line?.('{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}');
    link.line?.(
      request('session/request_permission', {
        sessionId: 's',
        toolCall: { toolCallId: 'c' },
        options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }],
      }),
    );
    expect(lastSent(out)).toMatchObject({ id: 9, result: { outcome: { outcome: 'cancelled' } } });
  });
});

describe('an interrupt', () => {
  test('ends the turn as cancelled, and the next one works', async () => {
    const talk = open();
    const turn = talk.turn('say here\nidle');
    await talk.until(() => talk.text === 'here');
    talk.do({ call: 'interrupt' });
    expect(await turn).toEqual({ kind: 'cancelled' });
    expect(await talk.turn('say again')).toMatchObject({ kind: 'done' });
  });

  test('denies what is asked', async () => {
    const talk = open({ answer: () => null });
    const turn = talk.turn('ask me');
    await talk.until(() => talk.deeds('approval').length === 1);
    talk.do({ call: 'interrupt' });
    expect(await turn).toEqual({ kind: 'cancelled' });
    expect(talk.deeds('withdraw')).toEqual([['withdraw', 'm1-1']]);
    expect(talk.text).toBe('cancelled');
  });

  test('before the prompt was sent ends the turn at once, and the greeting serves the next one', async () => {
    const talk = open();
    const turn = talk.turn('say never');
    talk.do({ call: 'interrupt' });
    expect(await turn).toEqual({ kind: 'cancelled' });
    await talk.turn('recall');
    expect(talk.text).toBe('nothing');
    expect(sent(talk).filter(({ method }) => method === 'initialize')).toHaveLength(1);
  });

  test('that the agent answers with an error is cancelled all the same', () => {
    const { link, out } = opened();
    link.interrupt();
    link.line?.('{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"aborted"}}');
    expect(out.deeds.at(-1)).toEqual(['ended', { kind: 'cancelled' }]);
  });

  test('is sent once', () => {
    const { link, out } = opened();
    link.interrupt();
    link.interrupt();
    expect(out.deeds.filter(([, line]) => String(line).includes('session/cancel'))).toHaveLength(1);
  });
});

describe('an agent of an earlier process', () => {
  const again = async (flags: readonly string[], text = 'recall'): Promise<Talk> => {
    const first = open({ flags });
    await first.turn('say one');
    const memory = acpDriver.memoryOf(first.link.state);
    const talk = open({ flags: [...flags, '--dir', first.dir], memory });
    await talk.turn(text);
    return talk;
  };

  inAll('is loaded where it can be, without what it tells of then', async () => {
    const talk = await again(['--load']);
    expect(talk.text).toBe('say one');
    expect(sent(talk)[1]).toMatchObject({ method: 'session/load' });
  });

  test('is resumed where it can be', async () => {
    const talk = await again(['--load', '--resume']);
    expect(talk.text).toBe('say one');
    expect(sent(talk)[1]).toMatchObject({ method: 'session/resume' });
  });

  test('that refuses to resume is loaded, and remembers', async () => {
    const talk = await again(['--load', '--resume', '--refuse-resume']);
    expect(talk.text).toBe('say one');
    expect(JSON.stringify(talk.deeds('agent'))).not.toContain('remembers nothing');
  });

  test('that tells of then behind its answer is prompted when that is over: nothing old is in the new answer', async () => {
    const words = count({ quick: 12, all: 30 });
    const talk = await again(['--load', '--late'], `slow ${words}\nrecall`);
    const numbers = Array.from({ length: words }, (_, n) => n + 1).join(' ');
    expect(talk.text).toBe(`${numbers} say one`);
    expect(sent(talk)[1]).toMatchObject({ method: 'session/load' });
    const order = talk.calls.flatMap((call) => (call.call === 'line' ? [call.line] : []));
    expect(order.findIndex((line) => line.includes('said before'))).toBeGreaterThan(
      order.findIndex((line) => line.includes('"result"') && line.includes('"id":2')),
    );
  });

  test('begins anew where its session is gone, and says so', async () => {
    const talk = open({ flags: ['--load'], memory: 'fake-gone' });
    await talk.turn('recall');
    expect(talk.text).toBe('nothing');
    expect(JSON.stringify(talk.deeds('agent'))).toContain('It remembers nothing.');
  });

  test('that cannot be gone on with leaves no memory', async () => {
    const talk = open();
    await talk.turn('say one');
    expect(acpDriver.memoryOf(talk.link.state)).toBeNull();
  });
});

describe('a model', () => {
  const models = ['--models', 'small,large'];

  test('is chosen before the first prompt', async () => {
    const talk = open({ flags: models, settings: { model: 'large' } });
    await talk.turn('say one');
    expect(sent(talk)[2]).toMatchObject({
      method: 'session/set_config_option',
      params: { configId: 'm', value: 'large' },
    });
  });

  test('that it has already is not chosen', async () => {
    const talk = open({ flags: models, settings: { model: 'small' } });
    await talk.turn('say one');
    expect(sent(talk)[2]).toMatchObject({ method: 'session/prompt' });
  });

  test('that there is not fails the turn, each time, with its name', async () => {
    const talk = open({ flags: models, settings: { model: 'huge' } });
    const failed = {
      kind: 'failed',
      message: 'The agent does not take the model "huge": There is no model huge.',
    };
    expect(await talk.turn('say one')).toEqual(failed);
    expect(await talk.turn('say one')).toEqual(failed);
  });

  test('of an agent without a choice is noted', async () => {
    const talk = open({ settings: { model: 'large' } });
    await talk.turn('say one');
    expect(JSON.stringify(talk.deeds('agent'))).toContain('no choice of models');
  });
});

describe('what goes wrong', () => {
  test('without a login is reported, with the way to it', async () => {
    expect(await open({ flags: ['--auth'] }).turn('say one')).toEqual({
      kind: 'failed',
      message: 'The agent wants you to log in first: Authentication required',
      hint: 'It offers: Run "fake-acp login".',
    });
  });

  test('with another version of the protocol is reported', async () => {
    expect(await open({ flags: ['--speaks', '2'] }).turn('say one')).toMatchObject({
      kind: 'failed',
      message: 'The agent speaks version 2 of ACP; this is version 1.',
    });
  });

  test('with lines that are no JSON is noted, and the turn goes on', async () => {
    const talk = open();
    expect(await talk.turn('rubbish 3\nsay fine')).toMatchObject({ kind: 'done' });
    expect(talk.deeds('agent')).toHaveLength(3);
    expect(talk.deeds('agent')[0]).toEqual([
      'agent',
      'note',
      { text: 'The agent printed what is not ACP: warning 1: this is no JSON' },
    ]);
  });

  test('with more of them than a program prints by accident ends it', async () => {
    const failure = await open()
      .turn('rubbish 100')
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BinnacleError);
    expect(failure).toMatchObject({ code: 'agent_protocol' });
    expect(String(failure)).toContain('warning 21');
  });

  test('with a request that we do not serve is an error to the agent', async () => {
    const talk = open();
    await talk.turn('read /etc/passwd');
    expect(talk.text).toBe('no: -32601');
  });

  test('with parameters that cannot be read is an error to the agent, which names the place', () => {
    const { link, out } = opened();
    link.line?.(request('terminal/create', { sessionId: 's', command: 7 }));
    expect(lastSent(out)).toMatchObject({ id: 9, error: { code: -32602, message: 'Invalid params: command' } });
  });

  test('with an answer to what was not asked is dropped', () => {
    const { link, out } = opened();
    const before = out.deeds.length;
    link.line?.('{"jsonrpc":"2.0","id":77,"result":{"stopReason":"end_turn"}}');
    link.line?.('{"jsonrpc":"2.0","id":"3","result":{"stopReason":"end_turn"}}');
    link.line?.(
      '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"other","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"x"}}}}',
    );
    link.line?.('{"jsonrpc":"2.0","method":"of/the/future","params":{}}');
    link.line?.(update({ sessionUpdate: '__proto__' }));
    link.line?.('');
    expect(out.deeds.slice(before)).toEqual([]);
  });

  test('with an answer that cannot be read ends it', () => {
    const { link } = opened();
    expect(() => link.line?.('{"jsonrpc":"2.0","id":3,"result":{}}')).toThrow(
      expect.objectContaining({ code: 'agent_protocol' }),
    );
  });

  test('without a command is reported before anything is started', () => {
    const launch = (): unknown =>
      acpDriver.launch({ id: 'x', driver: 'acp' }, { memory: null, prompt: { id: 'm', text: 't' } });
    expect(launch).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});

describe('the state', () => {
  test('stays small, however many tool calls with however much output there are', () => {
    const { link, out } = opened();
    for (let n = 0; n < 500; n += 1) {
      const content = [{ type: 'content', content: { type: 'text', text: 'x'.repeat(20_000) } }];
      link.line?.(update({ sessionUpdate: 'tool_call', toolCallId: `c${n}`, title: 't'.repeat(5000), content }));
    }
    expect(JSON.stringify(link.state).length).toBeLessThan(64 * 1024);
    // The report is whole all the same.
    expect(out.deeds.at(-1)?.[1]).toMatchObject({ output: 'x'.repeat(20_000) });
  });

  test('keeps the calls that are under way before those that have ended', () => {
    const call = (id: string, status: ToolCall['status']): ToolCall => ({
      ...{ id, status, title: 't', kind: 'execute' },
      output: 'x'.repeat(11_000),
    });
    const stored = [call('a', 'running'), call('b', 'done'), call('c', 'running'), call('d', 'running')].reduce(
      keepTool,
      [] as readonly StoredCall[],
    );
    expect(stored.map(({ call: { id } }) => id)).toEqual(['a', 'c', 'd']);
  });

  test('does not change while it says a message, so that it is not kept with each word', () => {
    const { link } = opened();
    const chunk = { sessionUpdate: 'agent_message_chunk', messageId: 'm', content: { type: 'text', text: 'word ' } };
    link.line?.(update(chunk));
    const { state } = link;
    link.line?.(update(chunk));
    expect(link.state).toBe(state);
  });
});

const SCRIPTS: Readonly<Record<string, { readonly options?: TalkOptions; readonly turns: readonly string[] }>> = {
  'instructions and a model': {
    options: { flags: ['--models', 'a,b'], settings: { model: 'b', instructions: 'say hello' } },
    turns: ['say one', 'say two'],
  },
  'words, tools and paragraphs': {
    turns: ['think hm\nsay a b c\ntool x\nmessage d', 'edit /a\nplan one, two\nusage 1'],
  },
  'permissions and terminals': { turns: ['ask first\nterm make\nask second', 'linger top\nterm ls\ndrop it\nsay end'] },
  'rubbish and failures': { turns: ['rubbish 2\nsay a\nfail oh', 'read /x\nrefuse', 'nonsense'] },
  'a session that is gone': { options: { flags: ['--load'], memory: 'gone' }, turns: ['say one', 'recall'] },
};

/** Records a talk with a real process. */
async function record({ options, turns }: { options?: TalkOptions; turns: readonly string[] }): Promise<Talk> {
  const talk = open(options);
  for (const text of turns) await talk.turn(text);
  const interrupted = talk.turn('ask nobody\nidle');
  await talk.until(() => talk.text !== '' && talk.deeds('ended').length === turns.length);
  talk.do({ call: 'interrupt' });
  await interrupted;
  return talk;
}

/** Plays the calls to links, each made of the state of the one before it at the places in `cuts`. */
function retell(calls: readonly Call[], cuts: ReadonlySet<number>, options: TalkOptions, cwd: string) {
  const deeds: Deed[] = [];
  const out = (): RecordingOut => new RecordingOut((deed) => void deeds.push(deed));
  const memory = options.memory ?? null;
  const settings = { id: 'fake', driver: 'acp', command: ['fake-acp'], ...options.settings };
  let link = acpDriver.link(settings, out(), { state: undefined, memory, cwd });
  for (const [i, call] of calls.entries()) {
    // The memory may be another by then: it is what the last turn left.
    if (cuts.has(i)) {
      const state = JSON.parse(JSON.stringify(link.state)) as object;
      link = acpDriver.link(settings, out(), { state, memory: 'another', cwd });
    }
    apply(link, call);
  }
  return { deeds, state: JSON.stringify(link.state) };
}

describe('a new link made of the state of the old one', () => {
  // The first and the last have options. The turns of all are cut in the test of many places below.
  for (const [name, script] of some(Object.entries(SCRIPTS), 2)) {
    test(`does the same from every line on: ${name}`, async () => {
      const talk = await record(script);
      const options = script.options ?? {};
      const whole = { deeds: talk.out.deeds, state: JSON.stringify(talk.link.state) };
      expect(talk.calls.length).toBeGreaterThan(15);
      for (let cut = 1; cut < talk.calls.length; cut += 1) {
        expect(retell(talk.calls, new Set([cut]), options, talk.dir)).toEqual(whole);
      }
      const everywhere = new Set(talk.calls.keys());
      expect(retell(talk.calls, everywhere, options, talk.dir)).toEqual(whole);
    });
  }

  test('does the same from every line on: a talk with OpenCode 1.18.33, as it was', () => {
    const path = join(import.meta.dirname, 'opencode.fixture.json');
    const calls = JSON.parse(readFileSync(path, 'utf8')) as Call[];
    const whole = retell(calls, new Set(), {}, '/home/sailor/work');
    expect(whole.deeds.filter(([what]) => what === 'ended').map(([, end]) => end)).toEqual([
      { kind: 'done', stopReason: 'end_turn' },
      { kind: 'done', stopReason: 'end_turn' },
      { kind: 'cancelled' },
      { kind: 'done', stopReason: 'end_turn' },
    ]);
    expect(whole.deeds.map(([what, text]) => (what === 'said' ? text : '')).join('')).toMatch(
      /^Hello there, sailor\.The tool said: ahoyword1 word2.*Still there\?$/,
    );
    for (let cut = 1; cut < calls.length; cut += 1) {
      expect(retell(calls, new Set([cut]), {}, '/home/sailor/work')).toEqual(whole);
    }
  });

  test('does the same wherever and however often it is made', async () => {
    const talk = await record({ turns: Object.values(SCRIPTS).flatMap(({ turns }) => turns) });
    const whole = { deeds: talk.out.deeds, state: JSON.stringify(talk.link.state) };
    const cuts = fc.uniqueArray(fc.nat({ max: talk.calls.length - 1 }), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, (places) => {
        expect(retell(talk.calls, new Set(places), {}, talk.dir)).toEqual(whole);
      }),
    );
  });

  test('asks again for the terminals that it has had no answer about', () => {
    const { link } = opened();
    link.line?.(request('terminal/create', { sessionId: 's', command: 'make' }, 1));
    link.terminal?.({ kind: 'created', ref: 't1' });
    link.line?.(request('terminal/wait_for_exit', { sessionId: 's', terminalId: 't1' }, 2));
    link.line?.(request('terminal/create', { sessionId: 's', command: 'ls', args: ['-l'] }, 'three'));
    const out = new RecordingOut();
    const next = makeLink(out, { state: JSON.parse(JSON.stringify(link.state)) as object });
    next.resumed?.();
    expect(out.deeds).toEqual([
      ['terminal.create', 't2', { command: 'ls', args: ['-l'], cwd: '/work' }],
      ['terminal.wait', 't1', '2'],
      ['terminal.wait', 't1', ''],
    ]);
    next.terminal?.({ kind: 'created', ref: 't2' });
    next.terminal?.({ kind: 'created', ref: 't2' });
    next.terminal?.({ kind: 'exited', ref: 't1', question: '', exit: { exitCode: 0, signal: null } });
    next.terminal?.({ kind: 'exited', ref: 't1', question: '2', exit: { exitCode: 3, signal: null } });
    expect(out.deeds.slice(3).map(([, line]) => JSON.parse(String(line)))).toEqual([
      { jsonrpc: '2.0', id: 'three', result: { terminalId: 't2' } },
      { jsonrpc: '2.0', id: 2, result: { exitCode: 3, signal: null } },
    ]);
  });
});

test('no line whatever makes the link throw anything but agent_protocol', () => {
  const word = fc.constantFrom(
    ...['session/update', 'session/request_permission', 'terminal/create', 'terminal/output', '$/cancel_request'],
  );
  const message = fc.record(
    { jsonrpc: fc.constant('2.0'), id: fc.anything(), method: word, params: fc.anything(), result: fc.anything() },
    { requiredKeys: [] },
  );
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    message.map((value) => safeJson(value)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const { link } = opened();
      try {
        for (const each of lines) link.line?.(each);
      } catch (error) {
        if (!(error instanceof BinnacleError) || error.code !== 'agent_protocol') throw error;
      }
      JSON.parse(JSON.stringify(link.state));
    }),
  );
});

/** A link in the middle of a turn, in the session `s`. Its prompt has the id 3. */
function opened(): { link: ReturnType<typeof makeLink>; out: RecordingOut } {
  const out = new RecordingOut();
  const link = makeLink(out);
  link.prompt({ id: 'm1', text: 'hello' });
  link.line?.('{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}');
  link.line?.('{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s"}}');
  return { link, out };
}

const request = (method: string, params: object, id: number | string = 9): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params });
const update = (body: object): string =>
  JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { sessionId: 's', update: body } });
const lastSent = (out: RecordingOut): unknown =>
  JSON.parse(String(out.deeds.findLast(([what]) => what === 'send')?.[1]));

/** fast-check makes values that JSON has no words for. */
function safeJson(value: unknown): string {
  try {
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)) ?? 'null';
  } catch {
    return 'null';
  }
}
