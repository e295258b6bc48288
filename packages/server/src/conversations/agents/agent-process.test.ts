import { resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { acpDriver } from '../drivers/acp/acp.ts';
import { commandDriver } from '../drivers/local/command.ts';
import { AgentProcess } from './agent-process.ts';
import type { Effect } from './effects.ts';
import { openTestSessions, type TestSessions } from './sessions.fixture.ts';
import { Terminals } from './terminals.ts';

const FAKE_ACP = resolve(import.meta.dirname, '../../../../../test/agents/fake-acp.mjs');
const AGENTS = {
  acp: { driver: acpDriver, command: [process.execPath, FAKE_ACP] },
  command: { driver: commandDriver, command: ['sh'] },
};

let real: TestSessions;
beforeAll(async () => {
  real = await openTestSessions();
});
afterEach(() => real.clear());
afterAll(() => real.close());

/** A conversation with a real process. `isFull`: whether the disk has no room for this commit, counted from 0. */
class TestConversation {
  readonly agent: AgentProcess;
  readonly effects: Effect[] = [];
  readonly failures: string[] = [];
  commits = 0;
  isFree = true;

  constructor(name: keyof typeof AGENTS, isFull: (n: number) => boolean) {
    const { driver, command } = AGENTS[name];
    const { sessions, root } = real;
    this.agent = new AgentProcess(
      {
        ...{ driver, settings: { driver: name, id: 'a', command, env: {} } as never, sessions, cwd: root },
        ...{ conversation: 'c', graceMs: 500, idleMs: 60_000 },
        terminals: (parts) => new Terminals({ host: sessions, conversation: 'c', ...parts }),
        events: {
          commit: (effects) => {
            this.commits += 1;
            if (isFull(this.commits - 1)) throw new BinnacleError('disk_full');
            this.effects.push(...effects);
          },
          failed: ({ code }) => void this.failures.push(code),
          free: () => {
            this.isFree = true;
          },
          remember: () => undefined,
        },
      },
      null,
    );
  }

  begin(text: string): void {
    this.isFree = false;
    this.agent.begin({ id: 'm1', text });
  }

  get said(): string {
    return this.effects
      .map((effect) => (effect.kind === 'delta' && effect.stream === 'said' ? effect.text : ''))
      .join('');
  }

  get ends(): readonly unknown[] {
    return this.effects.flatMap((effect) => (effect.kind === 'ended' ? [effect.end.kind] : []));
  }
}

describe('one-end: the disk is full for a while', () => {
  it.each([
    ['acp', 'say one two three'],
    ['command', 'echo one two three'],
  ] as const)('and the turn of %s has all its text once, and one end, whenever that is', async (name, text) => {
    const whole = new TestConversation(name, () => false);
    whole.begin(text);
    await until('it has ended', () => whole.isFree);
    expect(whole.said.trim()).toBe('one two three');
    await whole.agent.close(true);
    const turns = Array.from({ length: whole.commits }, (_, at) => new TestConversation(name, (n) => n === at));
    for (const turn of turns) turn.begin(text);
    for (const [at, turn] of turns.entries()) {
      await until(`it has ended, full at ${at}`, () => turn.isFree);
      expect
        .soft({ at, said: turn.said.trim(), ends: turn.ends, failures: turn.failures })
        .toEqual({ at, said: 'one two three', ends: ['done'], failures: [] });
      await turn.agent.close(true);
    }
  });

  it('and a process whose agent is closed meanwhile is ended', async () => {
    const turn = new TestConversation('acp', (n) => n > 0);
    turn.begin('say one');
    await until('it is full', () => turn.commits > 1);
    await turn.agent.close(true);
    expect((await real.sessions.list({ limit: 10 })).sessions).toEqual([]);
  });
});
