// What an agent cannot do to the gateway, whichever driver it has: every entry that a link makes fits into the log, what
// it keeps stays small, what is refused costs little, and no line is too deep.

import { BinnacleError } from '@binnacle/protocol';
import { describe, expect, test } from 'vitest';
import { RecordingOut } from './acp/acp.fixture.ts';
import { acpDriver } from './acp/acp.ts';
import { readJson } from './agent-json.ts';
import { claudeCodeDriver } from './claude-code/claude-code.ts';
import { codexDriver } from './codex/codex.ts';
import type { AgentLink, AgentSettings, ProcessDriver } from './driver.ts';

const KiB = 1024;
/** Of one entry of a log 1 MiB is taken; the events of a call are kept apart from it. */
const MAX_MARK_BYTES = 1000 * KiB;

/** A link, and after each call what of it is kept: the state, and what it sent. */
class Kept {
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

function acp(text = 'hi', settings: Partial<AgentSettings> = {}): Kept {
  const kept = new Kept(acpDriver, settings);
  kept.prompt(text);
  kept.line({ id: 1, result: { protocolVersion: 1 } });
  kept.line({ id: 2, result: { sessionId: 's' } });
  return kept;
}
function codex(text = 'hi'): Kept {
  const kept = new Kept(codexDriver);
  kept.prompt(text);
  kept.line({ id: 1, result: {} });
  kept.line({ id: 2, result: { thread: { id: 't' } } });
  return kept;
}
function claude(text = 'hi'): Kept {
  const kept = new Kept(claudeCodeDriver);
  kept.prompt(text);
  return kept;
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
    const kept = talk(text);
    const whole = kept.out.deeds.filter(([what, line]) => what === 'send' && String(line).length > text.length);
    expect(whole).toHaveLength(1);
    expect(kept.mark).toBeLessThan(MAX_MARK_BYTES);
    if (name !== 'claude-code') expect(JSON.stringify(kept.link.state)).not.toContain(JSON.stringify(text));
  });

  test('that is sent is in no state any more', () => {
    expect(JSON.stringify(talk('a word that is rare').link.state)).not.toContain('rare');
  });
});

test('acp: the largest message fits with the longest instructions before it', () => {
  const kept = acp('\u001b'.repeat(100 * KiB), { instructions: '\u001b'.repeat(9 * KiB) });
  expect(kept.count('send')).toBe(3);
  expect(kept.mark).toBeLessThan(MAX_MARK_BYTES);
});

describe.each([
  ['codex', codex],
  ['claude-code', claude],
])('%s: messages that go into a turn', (_, talk) => {
  test('fit into the log however many there are; the others wait for the next turn', () => {
    const kept = talk();
    for (let n = 0; n < 100; n += 1) kept.do((link) => link.inject?.({ id: `i${n}`, text: '\u001b'.repeat(50 * KiB) }));
    kept.line({ id: 3, result: { turn: { id: 'u', status: 'inProgress' } } });
    expect(kept.mark).toBeLessThan(MAX_MARK_BYTES);
    const handed = kept.out.deeds.filter(([what, line]) => what === 'send' && String(line).length > 50 * KiB);
    expect(handed.length).toBeGreaterThan(0);
    expect(handed.length).toBeLessThan(65);
  });
});

describe('acp: terminals', () => {
  test('of which there are 32 open; one more is refused before anything is kept of it', () => {
    const kept = acp();
    for (let n = 0; n < 32; n += 1) kept.line(create(n));
    const { state } = kept.link;
    for (let n = 32; n < 300; n += 1) kept.line(create(n));
    expect(kept.count('terminal.create')).toBe(32);
    expect(kept.lastSent).toMatchObject({ id: 299, error: { message: expect.stringContaining('32 terminals') } });
    expect({ ...kept.link.state, refused: 0 }).toEqual({ ...state, refused: 0 });
    expect(kept.state).toBeLessThan(16 * KiB);
    // A release makes room.
    kept.do((link) => link.terminal?.({ kind: 'created', ref: 't1' }));
    kept.line({ id: 'r', method: 'terminal/release', params: { sessionId: 's', terminalId: 't1' } });
    kept.line(create('again'));
    expect(kept.count('terminal.create')).toBe(33);
  });

  test('whose command is larger than 128 KiB are refused, and so are many that are large together', () => {
    const kept = acp();
    for (const more of [
      { args: ['x'.repeat(2_000_000)] },
      { command: 'x'.repeat(129 * KiB) },
      { env: [{ name: 'A', value: '\u0000'.repeat(30 * KiB) }] },
      { args: Array.from({ length: 100_000 }, () => 'a') },
    ]) {
      kept.line(create(1, more));
      expect(kept.lastSent).toMatchObject({ id: 1, error: { message: expect.stringContaining('128 KiB') } });
    }
    expect(kept.count('terminal.create')).toBe(0);
    for (let n = 0; n < 10; n += 1) kept.line(create(n, { args: ['x'.repeat(60 * KiB)] }));
    expect(kept.count('terminal.create')).toBe(2);
    expect(kept.state).toBeLessThan(160 * KiB);
    kept.do((link) => link.terminal?.({ kind: 'created', ref: 't1' }));
    kept.line(create('then', { args: ['x'.repeat(60 * KiB)] }));
    expect(kept.count('terminal.create')).toBe(3);
  });

  test('give an output that fits into the log whatever it is made of', () => {
    const kept = acp();
    kept.line(create(9));
    kept.do((link) => link.terminal?.({ kind: 'created', ref: 't1' }));
    kept.line({ id: 8, method: 'terminal/output', params: { sessionId: 's', terminalId: 't1' } });
    const limit = Number(kept.out.deeds.at(-1)?.[3]);
    const exit = { exitCode: 0, signal: null };
    const text = '\u0000'.repeat(limit);
    kept.do((link) => link.terminal?.({ kind: 'output', ref: 't1', question: '8', text, truncated: false, exit }));
    expect(kept.mark).toBeLessThan(MAX_MARK_BYTES - 256 * KiB);
  });
});

describe('what is refused', () => {
  const strange = (n: number): object => ({ id: n, method: 'fs/read_text_file', params: {} });

  test('a thousand times in a turn ends it; in the next one it counts from the beginning', () => {
    for (const talk of [acp, codex]) {
      const kept = talk();
      for (let n = 0; n < 1000; n += 1) kept.line(strange(n));
      expect(failureOf(() => kept.line(strange(1000)))).toBe('agent_flood');
      const other = talk();
      for (let n = 0; n < 900; n += 1) other.line(strange(n));
      if (talk === acp) other.line({ id: 3, result: { stopReason: 'end_turn' } });
      else other.line({ method: 'turn/completed', params: { threadId: 't', turn: { id: 'u', status: 'completed' } } });
      other.prompt('more', 'm2');
      for (let n = 0; n < 900; n += 1) other.line(strange(n));
    }
    const kept = claude();
    const unknown = (n: number): object => ({
      type: 'control_request',
      request_id: `r${n}`,
      request: { subtype: 'hook_callback' },
    });
    for (let n = 0; n < 1000; n += 1) kept.line(unknown(n));
    expect(failureOf(() => kept.line(unknown(1000)))).toBe('agent_flood');
  });
});

describe('the state', () => {
  const LONG = '\u0001'.repeat(20 * KiB);

  test('of acp stays small under all that can be asked and told', () => {
    const kept = acp();
    const options = [{ optionId: 'a', name: 'A', kind: 'allow_once' }];
    for (let n = 0; n < 60; n += 1) {
      kept.line(create(`t${n}`));
      kept.do((link) => link.terminal?.({ kind: 'created', ref: `t${n + 1}` }));
    }
    for (let n = 0; n < 300; n += 1) {
      const id = `${n}${'\u0001'.repeat(70)}`;
      kept.line({ id, method: 'terminal/wait_for_exit', params: { sessionId: 's', terminalId: 't1' } });
      kept.line(update({ sessionUpdate: 'tool_call', toolCallId: `${n}${LONG}`, title: LONG, rawInput: { LONG } }));
      const toolCall = { toolCallId: id, title: 'x', rawInput: { a: 'y'.repeat(3000) } };
      kept.line({ id, method: 'session/request_permission', params: { sessionId: 's', toolCall, options } });
    }
    expect(kept.state).toBeLessThan(256 * KiB);
  });

  test('of acp takes no more of a session than a name of its option for models', () => {
    const kept = new Kept(acpDriver, { model: 'm' });
    kept.prompt('hi');
    kept.line({ id: 1, result: { protocolVersion: 1 } });
    const configOptions = [{ id: LONG.repeat(10), category: 'model', currentValue: 'n' }];
    kept.line({ id: 2, result: { sessionId: 's', configOptions } });
    expect(kept.state).toBeLessThan(16 * KiB);
  });

  test('of codex stays small, whatever is to be answered with', () => {
    const kept = codex();
    for (let n = 0; n < 100; n += 1) {
      const amendment = { execpolicy_amendment: [LONG] };
      const availableDecisions = ['accept', { acceptWithExecpolicyAmendment: amendment }];
      const params = { threadId: 't', itemId: `i${n}`, command: 'ls', availableDecisions };
      kept.line({ id: n, method: 'item/commandExecution/requestApproval', params });
    }
    expect(kept.count('approval')).toBeLessThan(100);
    expect(kept.lastSent).toMatchObject({ id: 99, result: { decision: 'decline' } });
    expect(kept.state).toBeLessThan(256 * KiB);
    // A turn that was left with questions of ours has none for the next one.
    for (let n = 0; n < 100; n += 1) {
      kept.prompt('hi', `m${n}`);
      kept.do((link) => link.interrupt());
      kept.line({ method: 'turn/completed', params: { threadId: 't', turn: { id: 'u', status: 'interrupted' } } });
    }
    expect(JSON.stringify(kept.link.state).length).toBeLessThan(4 * KiB);
  });

  test('of claude-code stays small, whatever is to go back with a yes, and the yes fits into the log', () => {
    const kept = claude();
    for (let n = 0; n < 20; n += 1) {
      kept.line({
        type: 'control_request',
        request_id: `r${n}`,
        request: {
          subtype: 'can_use_tool',
          tool_name: LONG,
          input: { content: '"'.repeat(30 * KiB) },
          permission_suggestions: [{ type: 'addRules', LONG }],
        },
      });
      kept.line({
        type: 'assistant',
        message: { model: 'm', content: [{ type: 'tool_use', id: `u${n}${LONG}`, name: LONG, input: {} }] },
      });
    }
    expect(kept.count('approval')).toBeGreaterThan(0);
    expect(kept.state).toBeLessThan(400 * KiB);
    const [, first] = kept.out.deeds.find(([what]) => what === 'approval') ?? [];
    kept.do((link) => link.answer((first as { id: string }).id, 'allow-0'));
    expect(kept.mark).toBeLessThan(MAX_MARK_BYTES);
  });
});

describe('tool calls of acp', () => {
  const tool = (id: string, status: string, more: object = {}): object =>
    update({ sessionUpdate: 'tool_call', toolCallId: id, title: id, status, ...more });
  const idsOf = ({ link }: Kept): string[] =>
    (link.state as { tools: { call: { id: string } }[] }).tools.map(({ call }) => call.id);

  test('that have ended are forgotten, but for the last few; those that run are kept', () => {
    const kept = acp();
    kept.line(tool('running', 'in_progress'));
    for (let n = 0; n < 100; n += 1) kept.line(tool(`c${n}`, 'completed', { rawInput: { n } }));
    expect(idsOf(kept)).toEqual(['running', ...Array.from({ length: 8 }, (_, n) => `c${n + 92}`)]);
    kept.line(update({ sessionUpdate: 'tool_call_update', toolCallId: 'c99', title: 'new' }));
    expect(kept.out.deeds.at(-1)?.[1]).toMatchObject({ title: 'new', status: 'done', input: { n: 99 } });
  });

  test('that never end are forgotten beyond 64', () => {
    const kept = acp();
    for (let n = 0; n < 100; n += 1) kept.line(tool(`c${n}`, 'pending'));
    expect(idsOf(kept)).toHaveLength(64);
    expect(idsOf(kept).at(-1)).toBe('c99');
    expect(kept.state).toBeLessThan(16 * KiB);
  });

  test('have ids of any length, by which they are known again', () => {
    const kept = acp();
    const id = `call_${'x'.repeat(3000)}`;
    kept.line(tool(id, 'in_progress', { rawInput: { a: 1 } }));
    kept.line(update({ sessionUpdate: 'tool_call_update', toolCallId: id, status: 'completed' }));
    expect(kept.out.deeds.at(-1)?.[1]).toMatchObject({ status: 'done', input: { a: 1 } });
    expect(kept.count('agent')).toBe(0);
  });
});

describe('a line that is nested without end', () => {
  const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const LEVELS = [65, 3000, 4500, 8000, 100_000];

  test.each(LEVELS)('is read, and cut where it is too deep: %i levels', (levels) => {
    const read = readJson(`{"a":${deep(levels)},"b":1}`);
    expect(read?.isWhole).toBe(false);
    expect(JSON.stringify(read?.value)).toBe(`{"a":${'['.repeat(63)}"…"${']'.repeat(63)},"b":1}`);
  });

  test('and is no JSON is nothing; what is not too deep is as it was', () => {
    expect(readJson('['.repeat(1_000_000))).toBeUndefined();
    expect(readJson(`{"a":${deep(63)}}`)).toEqual({ value: JSON.parse(`{"a":${deep(63)}}`), isWhole: true });
    expect(readJson(`{"__proto__":${deep(100)}}`)?.isWhole).toBe(false);
  });

  test.each(LEVELS)('ends no turn of acp: %i levels', (levels) => {
    const kept = acp();
    const send = (line: string): void => kept.do((link) => link.line?.(line));
    const body = (more: string): string => `{"method":"session/update","params":{"sessionId":"s","update":{${more}}}}`;
    send(body(`"sessionUpdate":"tool_call","toolCallId":"d","title":"x","rawInput":${deep(levels)}`));
    send(body(`"sessionUpdate":"tool_call_update","toolCallId":"d","rawOutput":${deep(levels)}`));
    send(body(`"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hi","_meta":${deep(levels)}}`));
    send(`{"id":${deep(levels)},"method":"terminal/create","params":{"command":"true"}}`);
    const params = `"toolCall":{"toolCallId":"p","rawInput":${deep(levels)}},"options":[]`;
    send(`{"id":1,"method":"session/request_permission","params":{"sessionId":"s",${params}}}`);
    expect(kept.count('tool')).toBe(3);
    expect(kept.count('said')).toBe(1);
    expect(kept.count('approval')).toBe(1);
  });

  test.each(LEVELS)('ends no turn of codex, and is not allowed by anybody: %i levels', (levels) => {
    const kept = codex();
    const send = (line: string): void => kept.do((link) => link.line?.(line));
    const item = `{"type":"mcpToolCall","id":"i","server":"s","tool":"t","status":"inProgress","arguments":${deep(levels)}}`;
    send(`{"method":"item/started","params":{"threadId":"t","item":${item}}}`);
    expect(kept.count('tool')).toBe(1);
    send(`{"id":5,"method":"item/permissions/requestApproval","params":{"permissions":{"a":${deep(levels)}}}}`);
    expect(kept.count('approval')).toBe(0);
    expect(kept.lastSent).toMatchObject({ id: 5, error: {} });
  });

  test.each(LEVELS)('ends no turn of claude-code, and is not allowed by anybody: %i levels', (levels) => {
    const kept = claude();
    const send = (line: string): void => kept.do((link) => link.line?.(line));
    const use = `{"type":"tool_use","id":"u","name":"N","input":{"a":${deep(levels)}}}`;
    send(`{"type":"assistant","message":{"model":"m","content":[${use}]}}`);
    expect(kept.count('tool')).toBe(1);
    const request = `{"subtype":"can_use_tool","tool_name":"N","input":{"a":${deep(levels)}}}`;
    send(`{"type":"control_request","request_id":"r","request":${request}}`);
    expect(kept.count('approval')).toBe(0);
    expect(kept.lastSent).toMatchObject({ response: { request_id: 'r', response: { behavior: 'deny' } } });
  });
});
