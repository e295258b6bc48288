import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  Approval,
  Author,
  ConversationEvent,
  ConversationInfo,
  ConversationKey,
  ConversationRun,
  MessageInfo,
} from './conversation.ts';
import type { Answer } from './conversation-answer.ts';
import { approvalsAfter, factsAfter, queueAfter, runAfter } from './conversation-fold.ts';
import {
  answerOf,
  type ConversationState,
  conversationAfter,
  emptyConversation,
  reduceConversation,
  withHistory,
  withInfo,
  withoutOldest,
} from './conversation-state.ts';

const me: Author = { user: 'ada', name: 'Ada' };
const at = (place: number): string => `e1.${place.toString(36)}.0`;

const info = (more: Partial<ConversationInfo> = {}): ConversationInfo => ({
  key: 'agent:main:user:ada:x' as ConversationKey,
  agent: 'main',
  owner: 'ada',
  visibility: { kind: 'private' },
  title: 'x',
  createdAt: 0,
  updatedAt: 0,
  position: at(0),
  epoch: 'e1',
  run: null,
  queue: [],
  approvals: [],
  lease: null,
  steer: ['queue'],
  usage: null,
  mine: true,
  ...more,
});

const message = (id: string, more: Partial<MessageInfo> = {}): MessageInfo => ({
  id,
  role: 'user',
  text: `text of ${id}`,
  by: me,
  at: 1,
  state: 'queued',
  steer: 'queue',
  run: null,
  ...more,
});

const run = (id: string, more: Partial<ConversationRun> = {}): ConversationRun => ({
  id,
  conversation: 'agent:main:user:ada:x' as ConversationKey,
  agent: 'main',
  state: 'running',
  by: me,
  queuedAt: 1,
  startedAt: 2,
  endedAt: null,
  position: at(0),
  text: '',
  end: null,
  usage: null,
  ...more,
});

const sent = (id: string): ConversationEvent => ({ type: 'message', at: 1, message: message(id) });
const started = (id: string): ConversationEvent => ({ type: 'run_started', at: 2, run: run(id) });
const delta = (id: string, text: string, replace?: true): ConversationEvent => ({
  type: 'delta',
  at: 3,
  run: id,
  stream: 'said',
  text,
  ...(replace === undefined ? {} : { replace }),
});
const thought = (id: string, text: string): ConversationEvent => ({
  type: 'delta',
  at: 3,
  run: id,
  stream: 'thought',
  text,
});
const tool = (id: string, call: string, status: 'running' | 'done' = 'running'): ConversationEvent => ({
  type: 'tool',
  at: 3,
  run: id,
  tool: { id: call, title: call, kind: 'read', status },
});
const final = (id: string, text: string): ConversationEvent => ({ type: 'final', at: 4, run: id, text });
const approval = (id: string, of: string): Approval => ({
  id,
  run: of,
  title: 'rm',
  detail: 'rm -rf x',
  options: [{ id: 'yes', label: 'Yes', kind: 'allow_once' }],
  askedAt: 3,
  expiresAt: 9,
});

function after(events: readonly ConversationEvent[], state: ConversationState = emptyConversation(info())) {
  return reduceConversation(state, { position: at(1_000), events });
}

function answerIn(state: ConversationState, id: string): Answer {
  const answer = answerOf(state, id);
  if (answer === undefined) throw new Error(`no answer of ${id}`);
  return answer;
}

const shape = (state: ConversationState): string[] =>
  state.items.map((item) =>
    item.kind === 'message' ? item.message.id : item.kind === 'answer' ? `${item.run}:${item.text}` : item.kind,
  );

describe('a conversation', () => {
  it('shows a message once the agent has it, and its answer as it grows', () => {
    const waiting = after([sent('m1')]);
    expect(waiting.queue.map(({ id }) => id)).toEqual(['m1']);
    expect(waiting.items).toEqual([]);
    const state = after([sent('m1'), started('m1'), delta('m1', 'Hel'), delta('m1', 'lo')]);
    expect(state.queue).toEqual([]);
    expect(state.run).toBe('m1');
    expect(state.items).toMatchObject([
      { kind: 'message', message: { id: 'm1', state: 'delivered', run: 'm1' } },
      { kind: 'answer', run: 'm1', state: 'running', text: 'Hello', by: me, startedAt: 2 },
    ]);
  });

  it('keeps text, thoughts and tool calls in their order, and a tool call where it began', () => {
    const state = after([
      started('m1'),
      thought('m1', 'hm'),
      delta('m1', 'Look'),
      tool('m1', 't1'),
      delta('m1', 'ing'),
      tool('m1', 't1', 'done'),
    ]);
    expect(answerIn(state, 'm1').parts).toMatchObject([
      { kind: 'thought', text: 'hm' },
      { kind: 'said', text: 'Look' },
      { kind: 'tool', tool: { id: 't1', status: 'done' } },
      { kind: 'said', text: 'ing' },
    ]);
  });

  it('lets a text that replaces take the place of all that was said, and of nothing else', () => {
    const state = after([
      started('m1'),
      delta('m1', 'wrong'),
      thought('m1', 'oh'),
      tool('m1', 't1'),
      delta('m1', ' too'),
      delta('m1', 'right', true),
    ]);
    const answer = answerIn(state, 'm1');
    expect(answer.text).toBe('right');
    expect(answer.parts.map((part) => ('text' in part ? part.text : part.kind))).toEqual(['oh', 'tool', 'right']);
  });

  it('ends with the whole text, also where the beginning was not heard', () => {
    const state = after([delta('m1', 'lo'), final('m1', 'Hello')]);
    expect(answerIn(state, 'm1')).toMatchObject({ text: 'Hello', state: 'final', end: { state: 'final' }, endedAt: 4 });
    expect(state.run).toBeNull();
  });

  it('says how a run was aborted, and drops what comes behind its end', () => {
    const state = after([
      started('m1'),
      delta('m1', 'half'),
      { type: 'aborted', at: 4, run: 'm1', text: 'half', via: 'timeout', by: me },
      delta('m1', ' more'),
    ]);
    expect(answerIn(state, 'm1')).toMatchObject({ text: 'half', end: { state: 'aborted', via: 'timeout', by: me } });
    expect(state.run).toBeNull();
  });

  it('shows the error of a run', () => {
    const error = { code: 'agent_failed' as const, message: 'no', hint: 'h', retryable: true };
    const state = after([started('m1'), { type: 'error', at: 4, run: 'm1', text: '', error }]);
    expect(answerIn(state, 'm1').end).toEqual({ state: 'error', error });
  });

  it('puts a message that waited behind the answer before it, whenever it was sent', () => {
    const state = after([
      sent('m1'),
      started('m1'),
      sent('m2'),
      sent('m3'),
      final('m1', 'one'),
      started('m2'),
      final('m2', 'two'),
    ]);
    expect(shape(state)).toEqual(['m1', 'm1:one', 'm2', 'm2:two']);
    expect(state.queue.map(({ id }) => id)).toEqual(['m3']);
  });

  it('puts what interrupts before what waits', () => {
    const interrupt = (id: string): ConversationEvent => ({
      type: 'message',
      at: 1,
      message: message(id, { steer: 'interrupt' }),
    });
    const state = after([started('m1'), sent('m2'), interrupt('m3'), sent('m4'), interrupt('m5')]);
    expect(state.queue.map(({ id }) => id)).toEqual(['m3', 'm5', 'm2', 'm4']);
  });

  it('has no message twice, and none that is no longer queued', () => {
    const stopText: ConversationEvent = { type: 'message', at: 1, message: message('/stop', { state: 'cancelled' }) };
    const state = after([
      sent('m1'),
      sent('m2'),
      sent('m2'),
      stopText,
      { type: 'message_cancelled', at: 1, id: 'm1', by: me },
    ]);
    expect(state.queue).toEqual([message('m2')]);
    expect(shape(state)).toEqual(['/stop', 'm1']);
  });

  it('keeps a long silence, of which people were notified, while the agent asks its model again', () => {
    const silent = (isLong?: true): ConversationEvent => ({
      type: 'silent',
      at: 3,
      run: 'm1',
      silentMs: 5,
      waitsFor: { kind: 'model' },
      ...(isLong === undefined ? {} : { isLong }),
    });
    const retry: ConversationEvent = { type: 'agent', at: 4, run: 'm1', name: 'retry', data: { attempt: 2 } };
    const waitsFor = { kind: 'model', retry: { attempt: 2 } };
    expect(answerIn(after([started('m1'), silent(), retry]), 'm1').silence).toMatchObject({ waitsFor });
    const long = { at: 3, silentMs: 5, waitsFor: { kind: 'model' }, isLong: true };
    expect(answerIn(after([started('m1'), silent(true), retry]), 'm1').silence).toEqual(long);
    expect(answerIn(after([started('m1'), silent(true), retry, delta('m1', 'x')]), 'm1').silence).toBeNull();
  });

  it('is called by the first words of its first message, as in the list', () => {
    const first = { type: 'message', at: 5.4, message: message('m1', { text: '  Find the bug\nplease' }) } as const;
    expect(after([first], emptyConversation(info({ title: '' }))).info).toMatchObject({
      title: 'Find the bug',
      updatedAt: 5,
    });
    expect(after([first]).info.title).toBe('x');
  });

  it('edits and cancels what waits', () => {
    const state = after([
      started('m1'),
      sent('m2'),
      sent('m3'),
      { type: 'message_edited', at: 3, id: 'm3', text: 'other', by: me },
      { type: 'message_cancelled', at: 3, id: 'm2', by: me },
    ]);
    expect(state.queue).toMatchObject([{ id: 'm3', text: 'other' }]);
    expect(state.items).toMatchObject([{ run: 'm1' }, { message: { id: 'm2', state: 'cancelled', run: null } }]);
  });

  it('shows a message that was handed into a run inside of its answer', () => {
    const state = after([
      started('m1'),
      delta('m1', 'a'),
      sent('m2'),
      { type: 'message_delivered', at: 3, id: 'm2', run: 'm1' },
      delta('m1', 'b'),
    ]);
    expect(answerIn(state, 'm1').parts).toMatchObject([
      { kind: 'said', text: 'a' },
      { kind: 'message', message: { id: 'm2', run: 'm1', state: 'delivered' } },
      { kind: 'said', text: 'b' },
    ]);
    expect(state.queue).toEqual([]);
  });

  it('lists a request until it is answered, and keeps the answer beside it', () => {
    const withApproval = after([started('m1'), { type: 'approval', at: 3, run: 'm1', approval: approval('a1', 'm1') }]);
    expect(withApproval.approvals).toMatchObject([{ id: 'a1' }]);
    const answer = { option: 'yes', by: me, reason: 'answered' as const };
    const state = reduceConversation(withApproval, {
      position: at(1_001),
      events: [{ type: 'approval_answered', at: 3, run: 'm1', id: 'a1', answer }],
    });
    expect(state.approvals).toEqual([]);
    expect(answerIn(state, 'm1').parts).toMatchObject([{ kind: 'approval', approval: { id: 'a1' }, answer }]);
  });

  it('has no open requests of a run that has ended', () => {
    const withApproval: ConversationEvent = { type: 'approval', at: 3, run: 'm1', approval: approval('a1', 'm1') };
    expect(after([started('m1'), withApproval, final('m1', '')]).approvals).toEqual([]);
  });

  it('keeps the latest plan of an agent, and all of its notes', () => {
    const agentEvent = (name: string, data: unknown): ConversationEvent => ({
      type: 'agent',
      at: 3,
      run: 'm1',
      name,
      data,
    });
    const state = after([
      started('m1'),
      agentEvent('plan', 1),
      agentEvent('note', 2),
      agentEvent('plan', 3),
      agentEvent('note', 4),
    ]);
    expect(answerIn(state, 'm1').parts.map((part) => part.kind === 'agent' && part.data)).toEqual([3, 2, 4]);
  });

  it('counts what a run has used while it runs, which is no part of what was said', () => {
    const used = (inputTokens: number): ConversationEvent => ({
      type: 'agent',
      at: 3,
      run: 'm1',
      name: 'usage',
      data: { inputTokens },
    });
    const state = after([started('m1'), delta('m1', 'a'), used(1), delta('m1', 'b'), used(2)]);
    expect(answerIn(state, 'm1')).toMatchObject({ parts: [{ kind: 'said', text: 'ab' }], usage: { inputTokens: 2 } });
  });

  it('has notes, and follows the title and who may see it', () => {
    const state = after([
      { type: 'note', at: 7, text: 'seen', by: me },
      { type: 'changed', at: 8, by: me, title: 'new', visibility: { kind: 'everyone' } },
    ]);
    expect(state.items).toEqual([{ kind: 'note', at: 7, text: 'seen', by: me }]);
    expect(state.info).toMatchObject({ title: 'new', visibility: { kind: 'everyone' }, updatedAt: 8 });
  });

  it('begins with the run that is under way and what it has said, for who comes late', () => {
    const late = emptyConversation(
      info({ position: at(50), run: run('m1', { text: 'Hel' }), queue: [message('m2')], approvals: [] }),
    );
    const state = reduceConversation(late, { position: at(60), events: [delta('m1', 'lo')] });
    expect(answerIn(state, 'm1')).toMatchObject({ text: 'Hello', state: 'running' });
    expect(state.queue.map(({ id }) => id)).toEqual(['m2']);
  });

  it('has the run from its events, for a reader that begins at an earlier position', () => {
    const current = info({ position: at(50), run: run('m1', { text: 'Hello' }), queue: [message('m2')] });
    const early = emptyConversation(current, at(10));
    expect(early.run).toBeNull();
    const events = [sent('m1'), started('m1'), sent('m2'), delta('m1', 'Hello')];
    const state = reduceConversation(early, { position: at(50), events });
    const now = withHistory(emptyConversation(current), {
      messages: [message('m1', { state: 'delivered', run: 'm1' })],
      before: null,
    });
    expect(shape(state)).toEqual(shape(now));
    expect(state.queue).toEqual(now.queue);
  });

  it('takes a later info for what events do not tell, and keeps what they do', () => {
    const state = after([started('m1'), delta('m1', 'x')]);
    const lease = { holder: 'bob', fence: 3, expiresInMs: 5 };
    const later = withInfo(state, info({ lease }));
    expect(later.info.lease).toEqual(lease);
    expect(shape(later)).toEqual(['m1:x']);
    expect(reduceConversation(state, { type: 'reconnected', position: at(9), info: info({ lease }) })).toEqual(later);
  });

  it('says where a gap is', () => {
    const state = reduceConversation(after([started('m1')]), { type: 'gap', position: at(2_000), reason: 'retention' });
    expect(state.items.at(-1)).toEqual({ kind: 'gap', reason: 'retention' });
    expect(state.position).toBe(at(2_000));
  });

  it('takes events of another life of the log, whose positions begin anew', () => {
    const state = reduceConversation(after([sent('m1')]), { position: 'e2.1.0', events: [sent('m9')] });
    expect(state.queue.map(({ id }) => id)).toEqual(['m1', 'm9']);
  });

  it('is not changed by an event of a later version', () => {
    const later = { type: 'shiny', at: 0 } as unknown as ConversationEvent;
    expect(after([later]).items).toEqual([]);
  });
});

describe('history', () => {
  const page = {
    messages: [
      message('m1', { state: 'delivered', run: 'm1' }),
      message('x', { role: 'assistant', state: 'delivered', run: 'm1', text: 'one', ended: 'final' }),
      message('m2', { state: 'cancelled' }),
      message('m3', { state: 'delivered', run: 'm3' }),
      message('y', { role: 'assistant', state: 'delivered', run: 'm3', text: 'thr', ended: 'aborted' }),
    ],
    before: 'p',
  };

  it('comes before what is there', () => {
    const state = withHistory(after([sent('m4'), started('m4'), delta('m4', 'four')]), page);
    expect(shape(state)).toEqual(['m1', 'm1:one', 'm2', 'm3', 'm3:thr', 'm4', 'm4:four']);
    expect(answerIn(state, 'm3').state).toBe('aborted');
    expect(state.earlier).toBe('p');
  });

  it('brings nothing twice, nor what is known better', () => {
    const state = after([sent('m3'), started('m3'), delta('m3', 'thr'), sent('m5')]);
    expect(shape(withHistory(state, page))).toEqual(['m1', 'm1:one', 'm2', 'm3', 'm3:thr']);
    const newest = { messages: [message('m5'), message('m6')], before: null };
    expect(shape(withHistory(state, newest))).toEqual(['m3', 'm3:thr']);
  });

  it('is completed by the events that were on their way when the page was requested', () => {
    const state = after(
      [sent('m3'), started('m3'), tool('m3', 't'), delta('m3', 'three'), final('m3', 'three')],
      withHistory(emptyConversation(info()), page),
    );
    expect(shape(state)).toEqual(['m1', 'm1:one', 'm2', 'm3', 'm3:three']);
    expect(answerIn(state, 'm3').parts.map(({ kind }) => kind)).toEqual(['tool', 'said']);
  });

  it('can be dropped, to be requested again', () => {
    const state = withoutOldest(withHistory(after([started('m4')]), page), 2);
    expect(shape(state)).toEqual(['m3:thr', 'm4:']);
    expect(state.earlier).toBeUndefined();
    expect(withoutOldest(state, 2)).toBe(state);
  });
});

/** Events chosen by small numbers: runs one behind the other, with messages, tools and questions in between. */
const schedule = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('said' as const), text: fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }) }),
    fc.record({ do: fc.constant('replace' as const), text: fc.string({ maxLength: 4 }) }),
    fc.record({ do: fc.constant('thought' as const), text: fc.string({ minLength: 1, maxLength: 4 }) }),
    fc.record({ do: fc.constant('tool' as const), text: fc.constantFrom('t1', 't2') }),
    fc.record({ do: fc.constantFrom('plan' as const, 'edit' as const), text: fc.string({ maxLength: 3 }) }),
    fc.record({
      do: fc.constantFrom('used' as const, 'silent' as const, 'retry' as const, 'interrupt' as const),
      text: fc.constant(''),
    }),
    fc.record({
      do: fc.constantFrom('send' as const, 'inject' as const, 'cancel' as const, 'ask' as const),
      text: fc.constant(''),
    }),
    fc.record({ do: fc.constantFrom('final' as const, 'abort' as const), text: fc.constant('') }),
  ),
  { maxLength: 60 },
);

type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never;

function eventsOf(steps: Schedule): ConversationEvent[] {
  const events: ConversationEvent[] = [];
  const waiting: string[] = [];
  let current: string | null = null;
  let text = '';
  let count = 0;
  for (const step of steps) {
    count += 1;
    if (step.do === 'send') {
      waiting.push(`m${count}`);
      events.push(sent(`m${count}`));
    }
    if (current === null) {
      current = waiting.shift() ?? null;
      if (current === null) continue;
      text = '';
      events.push(started(current));
    }
    switch (step.do) {
      case 'said':
        text += step.text;
        events.push(delta(current, step.text));
        break;
      case 'replace':
        text = step.text;
        events.push(delta(current, step.text, true));
        break;
      case 'thought':
        events.push(thought(current, step.text));
        break;
      case 'tool':
        events.push(tool(current, step.text, count % 2 === 0 ? 'done' : 'running'));
        break;
      case 'plan':
        events.push({ type: 'agent', at: 3, run: current, name: 'plan', data: step.text });
        break;
      case 'used':
        events.push({ type: 'agent', at: 3, run: current, name: 'usage', data: { inputTokens: count } });
        break;
      case 'retry':
        events.push({ type: 'agent', at: 3, run: current, name: 'retry', data: { attempt: count } });
        break;
      case 'silent': {
        const isLong = count % 3 === 0 ? { isLong: true as const } : {};
        events.push({ type: 'silent', at: 3, run: current, silentMs: count, waitsFor: { kind: 'model' }, ...isLong });
        break;
      }
      case 'interrupt':
        waiting.unshift(`m${count}`);
        events.push({ type: 'message', at: 1, message: message(`m${count}`, { steer: 'interrupt' }) });
        break;
      case 'edit': {
        const id = waiting.at(-1);
        if (id !== undefined) events.push({ type: 'message_edited', at: 3, id, text: step.text, by: me });
        break;
      }
      case 'inject':
        events.push(sent(`i${count}`), { type: 'message_delivered', at: 3, id: `i${count}`, run: current });
        break;
      case 'cancel': {
        const id = waiting.pop();
        if (id !== undefined) events.push({ type: 'message_cancelled', at: 3, id, by: me });
        break;
      }
      case 'ask':
        events.push({ type: 'approval', at: 3, run: current, approval: approval(`a${count}`, current) });
        break;
      case 'final':
        events.push(final(current, text));
        current = null;
        break;
      case 'abort':
        events.push({ type: 'aborted', at: 4, run: current, text, via: 'run', by: me });
        current = null;
        break;
    }
  }
  return events;
}

/** As a gateway may: adjacent deltas of one stream and run in one, where `join` says so. */
function joined(events: readonly ConversationEvent[], join: (at: number) => boolean): ConversationEvent[] {
  const out: ConversationEvent[] = [];
  events.forEach((event, index) => {
    const last = out.at(-1);
    if (
      event.type === 'delta' &&
      last?.type === 'delta' &&
      last.run === event.run &&
      last.stream === event.stream &&
      join(index)
    ) {
      out[out.length - 1] =
        event.replace === true
          ? { ...event, at: last.at }
          : { ...last, at: event.at + index, text: last.text + event.text };
    } else {
      out.push(event);
    }
  });
  return out;
}

describe('whatever the pacing', () => {
  it('the state is the same however events are cut into batches, joined, and delivered twice', () => {
    fc.assert(
      fc.property(
        schedule,
        fc.infiniteStream(fc.boolean()),
        fc.infiniteStream(fc.boolean()),
        fc.infiniteStream(fc.boolean()),
        (steps, cuts, joins, doubles) => {
          const events = eventsOf(steps);
          const one = reduceConversation(emptyConversation(info()), { position: at(events.length + 1), events });

          let state = emptyConversation(info());
          let batch: ConversationEvent[] = [];
          const joining = [...joins.take(events.length)];
          const send = (place: number): void => {
            const step = { position: at(place), events: joined(batch, (index) => joining[index] === true) };
            state = reduceConversation(state, step);
            if (doubles.next().value === true) state = reduceConversation(state, step);
            batch = [];
          };
          events.forEach((event, index) => {
            batch.push(event);
            if (cuts.next().value === true) send(index + 1);
          });
          send(events.length + 1);
          expect(state).toEqual(one);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('the state is the same when it goes on from a snapshot, and so is each of its parts', () => {
    fc.assert(
      fc.property(schedule, fc.nat(), fc.nat(), (steps, cut, runAt) => {
        const events = eventsOf(steps);
        const begin = cut % (events.length + 1);
        const fold = <S>(part: (state: S, event: ConversationEvent) => S, empty: S, list = events): void => {
          const snapshot = JSON.parse(JSON.stringify(list.slice(0, begin).reduce(part, empty))) as S;
          expect(list.slice(begin).reduce(part, snapshot)).toEqual(list.reduce(part, empty));
        };
        const empty: ConversationState = { ...emptyConversation(info()), earlier: null };
        fold((state, event) => conversationAfter(state, [event]), empty);
        fold<readonly MessageInfo[]>(queueAfter, []);
        fold<readonly Approval[]>(approvalsAfter, []);
        fold(factsAfter, info({ title: '' }));
        const runs = events.flatMap((event) => (event.type === 'run_started' ? [event.run] : []));
        const run = runs[runAt % Math.max(1, runs.length)];
        if (run === undefined) return;
        fold(
          runAfter,
          run,
          events.filter((event) => 'run' in event && event.run === run.id),
        );
      }),
    );
  });

  it('its parts are what the whole state shows', () => {
    fc.assert(
      fc.property(schedule, (steps) => {
        const events = eventsOf(steps);
        const state = after(events);
        expect(state.queue).toEqual(events.reduce<readonly MessageInfo[]>(queueAfter, []));
        expect(state.approvals).toEqual(events.reduce<readonly Approval[]>(approvalsAfter, []));
        const [first] = events.flatMap((event) => (event.type === 'run_started' ? [event.run] : []));
        if (first === undefined) return;
        const { text, usage, end, endedAt, silence } = events
          .filter((event) => 'run' in event && event.run === first.id)
          .reduce(runAfter, first);
        expect(answerIn(state, first.id)).toMatchObject({ text, usage, end, endedAt, silence: silence ?? null });
      }),
    );
  });

  it('what was said, joined, is the text of the end', () => {
    fc.assert(
      fc.property(schedule, (steps) => {
        const events = eventsOf(steps);
        const state = after(events);
        for (const event of events) {
          if (event.type !== 'final') continue;
          const answer = answerIn(state, event.run);
          const parts = answer.parts.map((part) => (part.kind === 'said' ? part.text : ''));
          expect(parts.join('')).toBe(event.text);
          expect(answer.text).toBe(event.text);
        }
      }),
    );
  });

  it('does not change the state that it was given', () => {
    const freeze = <T>(value: T): T => {
      if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
        Object.freeze(value);
        Object.values(value).forEach(freeze);
      }
      return value;
    };
    fc.assert(
      fc.property(schedule, (steps) => {
        let state = freeze(emptyConversation(info()));
        eventsOf(steps).forEach((event, index) => {
          state = freeze(reduceConversation(state, { position: at(index + 1), events: [event] }));
        });
      }),
    );
  });
});
