// Whichever hooks are called, in whatever order they answer: messages keep their order, and every run has one end.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError, type ConversationEvent, isEndEvent } from '@binnacle/protocol';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { AgentConfig } from '../../config/schema.ts';
import { GroupSync } from '../../log/group-sync.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import { ConversationStore } from '../../store/conversations.ts';
import { openCatalogueFile } from '../../store/schema.ts';
import type { Database } from '../../store/sqlite.ts';
import type { Conversation } from '../conversation.ts';
import { Conversations } from '../conversations.ts';
import type { AgentGuard } from './agent-hooks.ts';
import { Agents } from './agents.ts';

const log = pino({ level: 'silent' });
const ANN = { user: 'ann', name: 'ann' };

/** A guard whose verdicts the test gives. */
class Judge implements AgentGuard {
  readonly ready = undefined;
  readonly requests: { readonly run: string; readonly settle: (isAllowed: boolean) => void }[] = [];

  beforeRun({ run }: { readonly run: string }): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (isAllowed: boolean): void =>
        isAllowed ? resolve() : reject(new BinnacleError('vetoed', { details: { plugin: 'p', reason: 'no' } }));
      this.requests.push({ run, settle });
    });
  }

  beforeToolCall(): undefined {
    return undefined;
  }
}

let dir: string;
let db: Database;
let group: GroupSync;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-guard-'));
  db = openCatalogueFile(join(dir, 'catalogue.db'));
  group = new GroupSync({ intervalMs: 50 });
});
afterAll(() => {
  group.stop();
  db.close();
  rmSync(dir, { recursive: true });
});

function conversationsWith(guard: AgentGuard): Conversations {
  const store = new ConversationStore(db);
  const agents = new Agents({
    configs: () => new Map<string, AgentConfig>([['main', { id: 'main', driver: 'echo' }]]),
    defaultAgent: () => 'main',
    // No agent of the driver `echo` has a session.
    sessions: undefined as unknown as Sessions,
    graceMs: 100,
    idleMs: 1000,
    contextOf: (id, prompt) => store.messages.contextOf(id, prompt.id),
  });
  const options = {
    dir: join(dir, 'conversations'),
    maxConversations: 10_000,
    maxConversationsOfUser: 10_000,
    maxConversationsOfPlugin: 10_000,
    maxQueued: 64,
    maxMessageBytes: 1024,
    retainBytes: 1024 * 1024,
    leaseTimes: {},
  };
  return new Conversations(options, { store, agents, group, log, guard });
}

/** All that is due happens. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 6; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

async function idle(conversation: Conversation, judge: Judge): Promise<void> {
  while (conversation.isBusy) {
    for (const one of judge.requests.splice(0)) one.settle(true);
    await settled();
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), interrupts: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(), isAllowed: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'wait' as const }) },
);

describe('one-end', () => {
  test('of each run that others are asked about, in the order of the messages, whatever they answer and when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), async (steps, mayInterrupt) => {
        const judge = new Judge();
        const conversations = conversationsWith(judge);
        const events: ConversationEvent[] = [];
        conversations.listen({ happened: (_one, some) => void events.push(...some) });
        const { conversation } = await conversations.create({}, { ...ANN, scope: 'admin' });
        const sent: string[] = [];
        for (const one of steps) {
          if (one.kind === 'send') {
            const id = `m${sent.length}`;
            sent.push(id);
            const steer = one.interrupts && mayInterrupt ? 'interrupt' : 'queue';
            conversation.send({ id, text: `say ${id}`, steer }, ANN);
          } else if (one.kind === 'settle')
            judge.requests[one.which % Math.max(1, judge.requests.length)]?.settle(one.isAllowed);
          else if (one.kind === 'abort' && sent.length > 0) {
            const id = sent[one.which % sent.length] ?? '';
            // One that was taken back while it waited is no run, and never was.
            if (conversation.message(id).state !== 'cancelled') conversation.abort(id, 'run', ANN);
          } else await settled();
        }
        await idle(conversation, judge);
        const begun = events.flatMap((event) => (event.type === 'run_started' ? [event.run.id] : []));
        const cancelled = events.flatMap((event) => (event.type === 'message_cancelled' ? [event.id] : []));
        expect([...begun, ...cancelled].sort()).toEqual([...sent].sort());
        if (!mayInterrupt) expect(begun).toEqual(sent.filter((id) => begun.includes(id)));
        // One after the other, and nothing of one in another.
        let under: string | undefined;
        let isAllowed = false;
        for (const event of events) {
          if (event.type === 'run_started') {
            expect(under).toBeUndefined();
            expect(event.run.isAsked).toBe(true);
            [under, isAllowed] = [event.run.id, false];
          } else if (event.type === 'run_allowed') {
            expect([event.run, isAllowed]).toEqual([under, false]);
            isAllowed = true;
          } else if (event.type === 'delta') expect([event.run, isAllowed]).toEqual([under, true]);
          else if (isEndEvent(event)) {
            expect(event.run).toBe(under);
            if (event.type === 'final') expect([isAllowed, event.text]).toEqual([true, `say ${event.run}`]);
            if (event.type === 'error') expect([isAllowed, event.error.code]).toEqual([false, 'vetoed']);
            under = undefined;
          }
        }
        expect(under).toBeUndefined();
        expect(events.filter(isEndEvent).map(({ run }) => run)).toEqual(begun);
        await conversations.close(true);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});

describe('what waits for verdicts', () => {
  test('goes on in the order in which it came, without what was refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ isHooked: fc.boolean(), isAllowed: fc.boolean() }), { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        async (ones, dice) => {
          const order = new SerialQueue();
          const done: number[] = [];
          const open: (() => void)[] = [];
          const all = ones.map(({ isHooked, isAllowed }, i) => {
            const verdict = isHooked
              ? new Promise<void>((resolve, reject) => open.push(isAllowed ? resolve : () => reject(new Error('no'))))
              : undefined;
            return order
              .runAfter(verdict, () => done.push(i))
              .then(
                () => true,
                () => false,
              );
          });
          for (const roll of dice) {
            if (open.length === 0) break;
            for (const settle of open.splice(roll % open.length, 1)) settle();
            await Promise.resolve();
          }
          expect(await Promise.all(all)).toEqual(ones.map(({ isHooked, isAllowed }) => !isHooked || isAllowed));
          expect(done).toEqual(ones.flatMap(({ isHooked, isAllowed }, i) => (!isHooked || isAllowed ? [i] : [])));
          await settled();
          expect(order.isIdle).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});
