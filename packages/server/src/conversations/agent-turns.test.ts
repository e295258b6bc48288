// The turns as a machine: effects are carried out on a log in memory that fails at random, as a full disk does.

import type { Author, ConversationEvent, ConversationKey } from '@binnacle/protocol';
import { BinnacleError, isEndEvent } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TrustedTime } from '../base/trusted-time.ts';
import { AgentTurns } from './agent-turns.ts';
import type { Agent, AgentKind } from './agents/agent.ts';
import type { Effect } from './agents/effects.ts';
import type { TurnEffects, TurnInput } from './turn-effects.ts';

const ann: Author = { user: 'ann', name: 'Ann' };
const KIND = { timeoutMs: 0, approvalMs: 1000, silence: { sayMs: 1, notifyMs: 2, limitMs: 3 } } as unknown as AgentKind;

/** A conversation without files, timers and processes. */
class TestConversation {
  readonly log: ConversationEvent[] = [];
  /** Kinds of the effects that were carried out, with the run that began. */
  readonly done: string[] = [];
  readonly retries = new Map<string, TurnInput>();
  readonly turns: AgentTurns;
  isFull = false;
  isAgentFree = true;

  constructor(isProcess: boolean) {
    const isFree = (): boolean => this.isAgentFree;
    this.turns = new AgentTurns({
      conversation: { key: 'agent:main:x' as ConversationKey, agent: 'main' },
      queue: [],
      agent: {
        agent: {} as Agent,
        isProcess,
        get isFree() {
          return isFree();
        },
      },
      commands: () => [],
      time: new TrustedTime(),
      kind: () => KIND,
    });
  }

  /** Carries out effects; returns what an append threw that the turns let pass. */
  run(effects: TurnEffects): unknown {
    try {
      for (let next = effects.next(); next.done !== true; ) {
        const { value } = next;
        if (value.kind === 'append' && this.isFull) {
          next = effects.throw(new BinnacleError('disk_full'));
          continue;
        }
        if (value.kind === 'append') this.append(value.events);
        else if (value.kind === 'retry') this.retries.set(value.name, value.input);
        else if (value.kind === 'begin') this.isAgentFree = false;
        this.done.push(value.kind === 'begin' ? `begin ${value.prompt.id}` : value.kind);
        next = effects.next();
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }

  append(events: readonly ConversationEvent[]): void {
    for (const event of events) {
      this.log.push(event);
      this.turns.fold(event);
    }
  }

  send(id: string): void {
    this.append([
      {
        type: 'message',
        at: 1,
        message: { id, role: 'user', text: id, by: ann, at: 1, state: 'queued', steer: 'queue', run: null },
      },
    ]);
    this.start();
  }

  start(verdict?: Promise<void>): void {
    if (this.turns.next !== undefined) this.run(this.turns.start({ position: 'e1.0.0', verdict }));
  }

  /** The agent has settled, and everything that waits for room is repeated. */
  settle(): void {
    this.isFull = false;
    for (const [name, input] of [...this.retries]) {
      this.retries.delete(name);
      if (input.kind !== 'start') this.run(this.turns.put(input));
    }
    if (!this.turns.isUnderWay) this.isAgentFree = true;
    this.start();
  }

  get ends(): string[] {
    return this.log.filter(isEndEvent).map(({ run }) => run);
  }

  get begun(): string[] {
    return this.log.flatMap((event) => (event.type === 'run_started' ? [event.run.id] : []));
  }
}

const said: Effect = { kind: 'delta', stream: 'said', text: 'x' };
const ask = (id: string): Effect => ({
  kind: 'approval',
  request: { id, title: id, detail: '', options: [{ id: 'no', label: 'No', kind: 'deny_once' }] },
});

const no = { option: 'no', by: ann, reason: 'answered' } as const;
const waitsFor = { kind: 'model' } as const;
/** The inputs of an agent, of people and of timers. */
const INPUTS: Readonly<Record<string, (turns: AgentTurns, n: number) => TurnEffects>> = {
  text: (turns) => turns.commit('agent', [said]),
  ask: (turns, n) => turns.commit('agent', [ask(`a${n}`)]),
  answer: (turns) => turns.answer(turns.approvals[0]?.id ?? 'none', no),
  end: (turns) => turns.commit('agent', [{ kind: 'ended', end: { kind: 'done' } }]),
  die: (turns) => turns.failed('agent', new BinnacleError('agent_died')),
  abort: (turns) => turns.abort('run', ann),
  time: (turns) => turns.put({ kind: 'timed_out', run: turns.runId }),
  silence: (turns) => turns.put({ kind: 'silent', run: turns.runId, step: 'end', silentMs: 5, waitsFor }),
  veto: (turns) =>
    turns.put({ kind: 'vetoed', approval: turns.approvals[0]?.id ?? 'none', error: new BinnacleError('vetoed') }),
};
const step = fc.record({
  input: fc.constantFrom('send', 'send', 'settle', ...Object.keys(INPUTS)),
  isFull: fc.boolean(),
});

function act(conversation: TestConversation, name: string, n: number): void {
  const input = INPUTS[name];
  if (input !== undefined) conversation.run(input(conversation.turns, n));
  else if (name === 'send') conversation.send(`m${n}`);
  else conversation.settle();
}

describe('the turns of a conversation', () => {
  test('give each run one end and the agent each message once, in order, whenever the disk is full', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isProcess) => {
        const conversation = new TestConversation(isProcess);
        steps.forEach((one, n) => {
          conversation.isFull = one.isFull && one.input !== 'send';
          const before = conversation.log.length;
          act(conversation, one.input, n);
          if (conversation.isFull) expect(conversation.log).toHaveLength(before);
        });
        for (let left = steps.length + 1; left > 0; left -= 1) {
          conversation.settle();
          conversation.run(conversation.turns.abort('shutdown', ann));
        }
        const { begun, ends, done, turns } = conversation;
        expect(ends).toEqual(begun);
        expect(new Set(begun).size).toBe(begun.length);
        expect(done.filter((kind) => kind.startsWith('begin'))).toEqual(begun.map((id) => `begin ${id}`));
        expect(turns.queue).toEqual([]);
        expect(turns.approvals).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('do nothing behind an append that fails, and let the caller of an abort know', () => {
    const conversation = new TestConversation(true);
    conversation.send('m1');
    conversation.done.length = 0;
    conversation.isFull = true;
    expect(conversation.run(conversation.turns.abort('run', ann))).toMatchObject({ code: 'disk_full' });
    expect(conversation.run(conversation.turns.commit('agent', [said]))).toMatchObject({ code: 'disk_full' });
    expect(conversation.done).toEqual([]);
    expect(conversation.turns.run?.id).toBe('m1');
    conversation.isFull = false;
    conversation.run(conversation.turns.abort('run', ann));
    expect(conversation.done).toEqual(['append', 'over', 'interrupt']);
  });

  test('repeat what was due while the disk was full, unless its run has ended meanwhile', () => {
    for (const isAborted of [false, true]) {
      const conversation = new TestConversation(true);
      conversation.send('m1');
      conversation.isFull = true;
      expect(conversation.run(conversation.turns.put({ kind: 'timed_out', run: 'm1' }))).toBeUndefined();
      expect([...conversation.retries.keys()]).toEqual(['timed_out']);
      conversation.isFull = false;
      if (isAborted) conversation.run(conversation.turns.abort('run', ann));
      conversation.send('m2');
      conversation.settle();
      expect(conversation.ends).toEqual(['m1']);
      expect(conversation.log.find(isEndEvent)).toMatchObject({ via: isAborted ? 'run' : 'timeout' });
    }
  });

  test('store an answer to a process with the line that tells it, and refuse a second answer meanwhile', () => {
    const conversation = new TestConversation(true);
    const { turns } = conversation;
    conversation.send('m1');
    conversation.run(turns.commit('agent', [ask('a1')]));
    conversation.done.length = 0;
    conversation.run(turns.answer('m1.a1', no));
    expect(conversation.done).toEqual(['answer']);
    expect(conversation.run(turns.answer('m1.a1', no))).toMatchObject({ code: 'approval_answered' });
    conversation.run(turns.commit('agent', [said], { session: 's', offset: 1, n: 1, sent: ['no'] }));
    expect(conversation.log.slice(-2).map(({ type }) => type)).toEqual(['approval_answered', 'delta']);
    expect(turns.approvals).toEqual([]);
  });

  test('wait for the hooks of a run, and give the message to the agent when they allow it', () => {
    const conversation = new TestConversation(false);
    const { turns } = conversation;
    conversation.isAgentFree = false;
    conversation.send('m1');
    conversation.isAgentFree = true;
    conversation.start(Promise.resolve());
    expect(conversation.done).toEqual(['append', 'times', 'hooks']);
    expect(turns.run?.isAsked).toBe(true);
    conversation.run(turns.put({ kind: 'allowed', prompt: { id: 'm1', text: 'm1' } }));
    expect(conversation.done.slice(3)).toEqual(['append', 'begin m1']);
    expect(turns.run?.isAsked).toBeUndefined();
    conversation.run(turns.put({ kind: 'allowed', prompt: { id: 'm0', text: '' } }));
    expect(conversation.done).toHaveLength(5);
  });
});
