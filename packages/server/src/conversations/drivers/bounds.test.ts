// What an agent cannot do to the gateway, whichever driver it has: every entry that a link makes fits into the log, what
// it keeps stays small, what is refused costs little, and no line is too deep.

import { BinnacleError } from '@binnacle/protocol';
import { describe, expect, test } from 'vitest';
import { RecordingOut } from './acp/acp.fixture.ts';
import { acpDriver } from './acp/acp.ts';
import { readAgentJson } from './agent-json.ts';
import { claudeCodeDriver } from './claude-code/claude-code.ts';
import { codexDriver } from './codex/codex.ts';
import type { AgentLink, AgentSettings, ProcessDriver } from './driver.ts';

const KiB = 1024;
/** Maximum of one log entry is 1 MiB; the events of a call are stored apart from it. */
const MAX_MARK_BYTES = 1000 * KiB;

/** A link, with what is stored after each call: its state, and what it sent. */
class RecordedLink {
  readonly out = new RecordingOut();
  readonly link: AgentLink;
  /** The largest so far, in bytes. */
  state = 0;
  mark = 0;
  #seen = 0;

  constructor(driver: ProcessDriver, settings: Partial<AgentSettings> = {}) {
    const agent = { id: 'a', driver: driver.name, ...settings };
    this.link = driver.link(agent, this.out, { state: undefined, memory: null, cwd: '/work' });
  }

  do(act: (link: AgentLink) => void): void {
    act(this.link);
    const news = this.out.deeds.slice(this.#seen);
    this.#seen = this.out.deeds.length;
    const sent = news.filter(([what]) => what === 'send').map(([, line]) => line);
    this.state = Math.max(this.state, Buffer.byteLength(JSON.stringify(this.link.state)));
    this.mark = Math.max(this.mark, Buffer.byteLength(JSON.stringify({ state: this.link.state, sent })));
  }

  line(message: object): void {
    this.do((link) => link.line?.(JSON.stringify(message)));
  }

  prompt(text: string, id = 'm1'): void {
    this.do((link) => link.prompt({ id, text }));
  }

  count(what: string): number {
    return this.out.deeds.filter(([name]) => name === what).length;
  }

  get lastSent(): unknown {
    return JSON.parse(String(this.out.deeds.findLast(([what]) => what === 'send')?.[1]));
  }
}

const failureOf = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return error instanceof BinnacleError ? error.code : error;
  }
  return undefined;
};

// ---- One talk of each driver that has begun its turn with `text`

function acp(text = 'hi', settings: Partial<AgentSettings> = {}): RecordedLink {
  const recorded = new RecordedLink(acpDriver, settings);
  recorded.prompt(text);
  recorded.line({ id: 1, result: { protocolVersion: 1 } });
  recorded.line({ id: 2, result: { sessionId: 's' } });
  return recorded;
}
function codex(text = 'hi'): RecordedLink {
  const recorded = new RecordedLink(codexDriver);
  recorded.prompt(text);
  recorded.line({ id: 1, result: {} });
  recorded.line({ id: 2, result: { thread: { id: 't' } } });
  return recorded;
}
function claude(text = 'hi'): RecordedLink {
  const recorded = new RecordedLink(claudeCodeDriver);
  recorded.prompt(text);
  return recorded;
}
const TALKS = { acp, codex, 'claude-code': claude };
const update = (body: object): object => ({ method: 'session/update', params: { sessionId: 's', update: body } });
const create = (id: number | string, more: object = {}): object => ({
  id,
  method: 'terminal/create',
  params: { sessionId: 's', command: 'sleep', args: ['100'], ...more },
});

/** What the gateway takes at most: 700 KiB as JSON in JSON. A control character has seven bytes there, a quote four. */
const LARGEST = {
  'of control characters': '\u001b'.repeat(100 * KiB),
  'of quotes': '"'.repeat(175 * KiB),
  'of backslashes': '\\'.repeat(175 * KiB),
  'of letters': 'x'.repeat(256 * KiB),
};

describe.each(Object.entries(TALKS))('%s: a message', (name, talk) => {
  test.each(Object.entries(LARGEST))('as large as there are any, %s, fits into the log at every step', (_, text) => {
    expect(Buffer.byteLength(JSON.stringify(JSON.stringify(text)))).toBeLessThanOrEqual(701 * KiB);
    const recorded = talk(text);
    const whole = recorded.out.deeds.filter(([what, line]) => what === 'send' && String(line).length > text.length);
    expect(whole).toHaveLength(1);
    expect(recorded.mark).toBeLessThan(MAX_MARK_BYTES);
    if (name !== 'claude-code') expect(JSON.stringify(recorded.link.state)).not.toContain(JSON.stringify(text));
  });

  test('that is sent is in no state any more', () => {
    expect(JSON.stringify(talk('a word that is rare').link.state)).not.toContain('rare');
  });
});

test('acp: the largest message fits with the longest instructions before it', () => {
  const recorded = acp('\u001b'.repeat(100 * KiB), { instructions: '\u001b'.repeat(9 * KiB) });
  expect(recorded.count('send')).toBe(3);
  expect(recorded.mark).toBeLessThan(MAX_MARK_BYTES);
});

describe.each([
  ['codex', codex],
  ['claude-code', claude],
])('%s: messages that go into a turn', (_, talk) => {
  test('fit into the log however many there are; the others wait for the next turn', () => {
    const recorded = talk();
    for (let n = 0; n < 100; n += 1)
      recorded.do((link) => link.inject?.({ id: `i${n}`, text: '\u001b'.repeat(50 * KiB) }));
    recorded.line({ id: 3, result: { turn: { id: 'u', status: 'inProgress' } } });
    expect(recorded.mark).toBeLessThan(MAX_MARK_BYTES);
    const handed = recorded.out.deeds.filter(([what, line]) => what === 'send' && String(line).length > 50 * KiB);
    expect(handed.length).toBeGreaterThan(0);
    expect(handed.length).toBeLessThan(65);
  });
});

describe('acp: terminals', () => {
  test('of which there are 32 open; one more is refused before anything is kept of it', () => {
    const recorded = acp();
    for (let n = 0; n < 32; n += 1) recorded.line(create(n));
    const { state } = recorded.link;
    for (let n = 32; n < 300; n += 1) recorded.line(create(n));
    expect(recorded.count('terminal.create')).toBe(32);
    expect(recorded.lastSent).toMatchObject({ id: 299, error: { message: expect.stringContaining('32 terminals') } });
    expect({ ...recorded.link.state, refused: 0 }).toEqual({ ...state, refused: 0 });
    expect(recorded.state).toBeLessThan(16 * KiB);
    // A release makes room.
    recorded.do((link) => link.terminal?.({ kind: 'created', ref: 't1' }));
    recorded.line({ id: 'r', method: 'terminal/release', params: { sessionId: 's', terminalId: 't1' } });
    recorded.line(create('again'));
    expect(recorded.count('terminal.create')).toBe(33);
  });

  test('whose command is larger than 128 KiB are refused, and so are many that are large together', () => {
    const recorded = acp();
    for (const more of [
      { args: ['x'.repeat(2_000_000)] },
      { command: 'x'.repeat(129 * KiB) },
      { env: [{ name: 'A', value: '\u0000'.repeat(30 * KiB) }] },
      { args: Array.from({ length: 100_000 }, () => 'a') },
    ]) {
      recorded.line(create(1, more));
      expect(recorded.lastSent).toMatchObject({ id: 1, error: { message: expect.stringContaining('128 KiB') } });
    }
    expect(recorded.count('terminal.create')).toBe(0);
    for (let n = 0; n < 10; n += 1) recorded.line(create(n, { args: ['x'.repeat(60 * KiB)] }));
    expect(recorded.count('terminal.create')).toBe(2);
    expect(recorded.state).toBeLessThan(160 * KiB);
    recorded.do((link) => link.terminal?.({ kind: 'created', ref: 't1' }));
    recorded.line(create('then', { args: ['x'.repeat(60 * KiB)] }));
    expect(recorded.count('terminal.create')).toBe(3);
  });

  test('give an output that fits into the log whatever it is made of', () => {
    const recorded = acp();
    recorded.line(create(9));
    recorded.do((link) => link.terminal?.({ kind: 'created', ref: 't1' }));
    recorded.line({ id: 8, method: 'terminal/output', params: { sessionId: 's', terminalId: 't1' } });
    const limit = Number(recorded.out.deeds.at(-1)?.[3]);
    const exit = { exitCode: 0, signal: null };
    const text = '\u0000'.repeat(limit);
    recorded.do((link) => link.terminal?.({ kind: 'output', ref: 't1', question: '8', text, truncated: false, exit }));
    expect(recorded.mark).toBeLessThan(MAX_MARK_BYTES - 256 * KiB);
  });
});

describe('what is refused', () => {
  const strange = (n: number): object => ({ id: n, method: 'fs/read_text_file', params: {} });

  test('a thousand times in a turn ends it; in the next one it counts from the beginning', () => {
    for (const talk of [acp, codex]) {
      const recorded = talk();
      for (let n = 0; n < 1000; n += 1) recorded.line(strange(n));
      expect(failureOf(() => recorded.line(strange(1000)))).toBe('agent_flood');
      const other = talk();
      for (let n = 0; n < 900; n += 1) other.line(strange(n));
      if (talk === acp) other.line({ id: 3, result: { stopReason: 'end_turn' } });
      else other.line({ method: 'turn/completed', params: { threadId: 't', turn: { id: 'u', status: 'completed' } } });
      other.prompt('more', 'm2');
      for (let n = 0; n < 900; n += 1) other.line(strange(n));
    }
    const recorded = claude();
    const unknown = (n: number): object => ({
      type: 'control_request',
      request_id: `r${n}`,
      request: { subtype: 'hook_callback' },
    });
    for (let n = 0; n < 1000; n += 1) recorded.line(unknown(n));
    expect(failureOf(() => recorded.line(unknown(1000)))).toBe('agent_flood');
  });
});

describe('the state', () => {
  const LONG = '\u0001'.repeat(20 * KiB);

  test('of acp stays small under all requests and reports', () => {
    const recorded = acp();
    const options = [{ optionId: 'a', name: 'A', kind: 'allow_once' }];
    for (let n = 0; n < 60; n += 1) {
      recorded.line(create(`t${n}`));
      recorded.do((link) => link.terminal?.({ kind: 'created', ref: `t${n + 1}` }));
    }
    for (let n = 0; n < 300; n += 1) {
      const id = `${n}${'\u0001'.repeat(70)}`;
      recorded.line({ id, method: 'terminal/wait_for_exit', params: { sessionId: 's', terminalId: 't1' } });
      recorded.line(update({ sessionUpdate: 'tool_call', toolCallId: `${n}${LONG}`, title: LONG, rawInput: { LONG } }));
      const toolCall = { toolCallId: id, title: 'x', rawInput: { a: 'y'.repeat(3000) } };
      recorded.line({ id, method: 'session/request_permission', params: { sessionId: 's', toolCall, options } });
    }
    expect(recorded.state).toBeLessThan(256 * KiB);
  });

  test('of acp takes no more of a session than a name of its option for models', () => {
    const recorded = new RecordedLink(acpDriver, { model: 'm' });
    recorded.prompt('hi');
    recorded.line({ id: 1, result: { protocolVersion: 1 } });
    const configOptions = [{ id: LONG.repeat(10), category: 'model', currentValue: 'n' }];
    recorded.line({ id: 2, result: { sessionId: 's', configOptions } });
    expect(recorded.state).toBeLessThan(16 * KiB);
  });

  test('of codex stays small, whatever is to be answered with', () => {
    const recorded = codex();
    for (let n = 0; n < 100; n += 1) {
      const amendment = { execpolicy_amendment: [LONG] };
      const availableDecisions = ['accept', { acceptWithExecpolicyAmendment: amendment }];
      const params = { threadId: 't', itemId: `i${n}`, command: 'ls', availableDecisions };
      recorded.line({ id: n, method: 'item/commandExecution/requestApproval', params });
    }
    expect(recorded.count('approval')).toBeLessThan(100);
    expect(recorded.lastSent).toMatchObject({ id: 99, result: { decision: 'decline' } });
    expect(recorded.state).toBeLessThan(256 * KiB);
    // A turn that was left with questions of ours has none for the next one.
    for (let n = 0; n < 100; n += 1) {
      recorded.prompt('hi', `m${n}`);
      recorded.do((link) => link.interrupt());
      recorded.line({ method: 'turn/completed', params: { threadId: 't', turn: { id: 'u', status: 'interrupted' } } });
    }
    expect(JSON.stringify(recorded.link.state).length).toBeLessThan(4 * KiB);
  });

  test('of claude-code stays small, whatever is to go back with a yes, and the yes fits into the log', () => {
    const recorded = claude();
    for (let n = 0; n < 20; n += 1) {
      recorded.line({
        type: 'control_request',
        request_id: `r${n}`,
        request: {
          subtype: 'can_use_tool',
          tool_name: LONG,
          input: { content: '"'.repeat(30 * KiB) },
          permission_suggestions: [{ type: 'addRules', LONG }],
        },
      });
      recorded.line({
        type: 'assistant',
        message: { model: 'm', content: [{ type: 'tool_use', id: `u${n}${LONG}`, name: LONG, input: {} }] },
      });
    }
    expect(recorded.count('approval')).toBeGreaterThan(0);
    expect(recorded.state).toBeLessThan(400 * KiB);
    const [, first] = recorded.out.deeds.find(([what]) => what === 'approval') ?? [];
    recorded.do((link) => link.answer((first as { id: string }).id, 'allow-0'));
    expect(recorded.mark).toBeLessThan(MAX_MARK_BYTES);
  });
});

describe('tool calls of acp', () => {
  const tool = (id: string, status: string, more: object = {}): object =>
    update({ sessionUpdate: 'tool_call', toolCallId: id, title: id, status, ...more });
  const idsOf = ({ link }: RecordedLink): string[] =>
    (link.state as { tools: { call: { id: string } }[] }).tools.map(({ call }) => call.id);

  test('that have ended are forgotten, but for the last few; those that run are kept', () => {
    const recorded = acp();
    recorded.line(tool('running', 'in_progress'));
    for (let n = 0; n < 100; n += 1) recorded.line(tool(`c${n}`, 'completed', { rawInput: { n } }));
    expect(idsOf(recorded)).toEqual(['running', ...Array.from({ length: 8 }, (_, n) => `c${n + 92}`)]);
    recorded.line(update({ sessionUpdate: 'tool_call_update', toolCallId: 'c99', title: 'new' }));
    expect(recorded.out.deeds.at(-1)?.[1]).toMatchObject({ title: 'new', status: 'done', input: { n: 99 } });
  });

  test('that never end are forgotten beyond 64', () => {
    const recorded = acp();
    for (let n = 0; n < 100; n += 1) recorded.line(tool(`c${n}`, 'pending'));
    expect(idsOf(recorded)).toHaveLength(64);
    expect(idsOf(recorded).at(-1)).toBe('c99');
    expect(recorded.state).toBeLessThan(16 * KiB);
  });

  test('have ids of any length, by which they are known again', () => {
    const recorded = acp();
    const id = `call_${'x'.repeat(3000)}`;
    recorded.line(tool(id, 'in_progress', { rawInput: { a: 1 } }));
    recorded.line(update({ sessionUpdate: 'tool_call_update', toolCallId: id, status: 'completed' }));
    expect(recorded.out.deeds.at(-1)?.[1]).toMatchObject({ status: 'done', input: { a: 1 } });
    expect(recorded.count('agent')).toBe(0);
  });
});

describe('a line that is nested without end', () => {
  const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const LEVELS = [65, 3000, 4500, 8000, 100_000];

  test.each(LEVELS)('is read, and cut where it is too deep: %i levels', (levels) => {
    const read = readAgentJson(`{"a":${deep(levels)},"b":1}`);
    expect(read?.isWhole).toBe(false);
    expect(JSON.stringify(read?.value)).toBe(`{"a":${'['.repeat(63)}"…"${']'.repeat(63)},"b":1}`);
  });

  test('and is no JSON is nothing; what is not too deep is as it was', () => {
    expect(readAgentJson('['.repeat(1_000_000))).toBeUndefined();
    expect(readAgentJson(`{"a":${deep(63)}}`)).toEqual({ value: JSON.parse(`{"a":${deep(63)}}`), isWhole: true });
    expect(readAgentJson(`{"__proto__":${deep(100)}}`)?.isWhole).toBe(false);
  });

  test.each(LEVELS)('ends no turn of acp: %i levels', (levels) => {
    const recorded = acp();
    const send = (line: string): void => recorded.do((link) => link.line?.(line));
    const body = (more: string): string => `{"method":"session/update","params":{"sessionId":"s","update":{${more}}}}`;
    send(body(`"sessionUpdate":"tool_call","toolCallId":"d","title":"x","rawInput":${deep(levels)}`));
    send(body(`"sessionUpdate":"tool_call_update","toolCallId":"d","rawOutput":${deep(levels)}`));
    send(body(`"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hi","_meta":${deep(levels)}}`));
    send(`{"id":${deep(levels)},"method":"terminal/create","params":{"command":"true"}}`);
    const params = `"toolCall":{"toolCallId":"p","rawInput":${deep(levels)}},"options":[]`;
    send(`{"id":1,"method":"session/request_permission","params":{"sessionId":"s",${params}}}`);
    expect(recorded.count('tool')).toBe(3);
    expect(recorded.count('said')).toBe(1);
    expect(recorded.count('approval')).toBe(1);
  });

  test.each(LEVELS)('ends no turn of codex, and is not allowed by anybody: %i levels', (levels) => {
    const recorded = codex();
    const send = (line: string): void => recorded.do((link) => link.line?.(line));
    const item = `{"type":"mcpToolCall","id":"i","server":"s","tool":"t","status":"inProgress","arguments":${deep(levels)}}`;
    send(`{"method":"item/started","params":{"threadId":"t","item":${item}}}`);
    expect(recorded.count('tool')).toBe(1);
    send(`{"id":5,"method":"item/permissions/requestApproval","params":{"permissions":{"a":${deep(levels)}}}}`);
    expect(recorded.count('approval')).toBe(0);
    expect(recorded.lastSent).toMatchObject({ id: 5, error: {} });
  });

  test.each(LEVELS)('ends no turn of claude-code, and is not allowed by anybody: %i levels', (levels) => {
    const recorded = claude();
    const send = (line: string): void => recorded.do((link) => link.line?.(line));
    const use = `{"type":"tool_use","id":"u","name":"N","input":{"a":${deep(levels)}}}`;
    send(`{"type":"assistant","message":{"model":"m","content":[${use}]}}`);
    expect(recorded.count('tool')).toBe(1);
    const request = `{"subtype":"can_use_tool","tool_name":"N","input":{"a":${deep(levels)}}}`;
    send(`{"type":"control_request","request_id":"r","request":${request}}`);
    expect(recorded.count('approval')).toBe(0);
    expect(recorded.lastSent).toMatchObject({ response: { request_id: 'r', response: { behavior: 'deny' } } });
  });
});
