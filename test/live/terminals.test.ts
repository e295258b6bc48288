// Real agents in real terminals, against a model that is ours: whether lists say that they work, wait and are idle. With
// BINNACLE_RECORD set, what they write is kept as fixtures for `npm test`; HOME is that folder then.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import type { SessionActivity } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { agentInTerminal, TERMINAL_AGENTS, type TerminalAgent } from './terminal-agents.fixture.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
const RECORD = process.env.BINNACLE_RECORD;
const RECORDED = resolve(import.meta.dirname, '../../packages/server/src/activity/recorded');
/** From the question on the screen to the wait in the list. */
const MOST_LATE_MS = 2000;
const COLS = 100;
const ROWS = 30;

let gateway: Gateway;
let llm: MockLlm;
const homes: string[] = [];
beforeAll(async () => {
  // The folder is removed at the end.
  if (RECORD !== undefined && existsSync(RECORD)) throw new Error(`${RECORD} is there already; name a new folder.`);
  [gateway, llm] = await Promise.all([openGateway(), startMockLlm({ delayMs: 100 })]);
});
afterAll(async () => {
  await gateway?.close();
  await llm?.close();
  for (const home of homes) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

interface Seen {
  readonly atMs: number;
  readonly state: string;
}

/** Agent in a terminal, and what lists say of it. */
class Watched {
  readonly id: string;
  /** Each state that was seen, and when. */
  readonly states: Seen[] = [];
  /** Expected states, each with the time from which it holds, in ms since the start. */
  readonly expected: Seen[] = [];
  readonly startedAt = Date.now();
  #isOver = false;
  readonly #following: Promise<void>;

  constructor(id: string) {
    this.id = id;
    this.#following = this.#follow();
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      const { activity } = await gateway.info(this.id);
      const state = activity?.state ?? 'none';
      if (this.states.at(-1)?.state !== state) this.states.push({ atMs: this.ms, state });
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  get ms(): number {
    return Date.now() - this.startedAt;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#following;
  }

  async activity(): Promise<SessionActivity> {
    return (await gateway.info(this.id)).activity as SessionActivity;
  }

  async screen(): Promise<string> {
    return (await gateway.ask(`/v1/sessions/${this.id}/screen?format=text`)).text;
  }

  /** When it was on the screen first. */
  async shows(what: RegExp, withinMs = 60_000): Promise<number> {
    await until(`${what} is on the screen`, async () => what.test(await this.screen()), withinMs).catch(
      async (error) => {
        throw new Error(`${error.message} It shows:\n${await this.screen()}`);
      },
    );
    return this.ms;
  }

  async becomes(state: string, withinMs = MOST_LATE_MS): Promise<number> {
    await until(`it is ${state}`, () => this.states.at(-1)?.state === state, withinMs).catch(async (error) => {
      const was = `It was: ${JSON.stringify(this.states)}. It shows:\n${await this.screen()}`;
      throw new Error(`${error.message} ${was}`);
    });
    this.expected.push({ atMs: this.ms, state });
    return this.states.at(-1)?.atMs as number;
  }

  async types(text: string): Promise<void> {
    await gateway.input(this.id, text);
    // Pasted and sent at once, agents take the end of the line for one of its letters.
    await this.shows(new RegExp(text.replaceAll(/[^\w ]/g, '.')));
    // Gemini CLI takes an Enter that comes within some 30 ms of a letter for a line break of a pasted text.
    await new Promise((done) => setTimeout(done, 300));
    await gateway.input(this.id, '\r');
  }
}

async function start(
  name: TerminalAgent,
  isHooked: boolean,
): Promise<{ agent: Watched; command: Awaited<ReturnType<typeof agentInTerminal>> }> {
  const home = RECORD ?? mkdtempSync(join(tmpdir(), `binnacle-${name}-`));
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  homes.push(home);
  const command = await agentInTerminal(name, home, llm.url);
  const { argv, env, cwd } = command;
  if (isHooked) {
    execFileSync(process.execPath, [BINARY, 'hooks', 'install', name, '--yes'], {
      env: { ...process.env, HOME: home },
      stdio: 'ignore',
    });
  }
  const { id } = await gateway.create({ argv, env, cwd, cols: COLS, rows: ROWS, name });
  return { agent: new Watched(id), command };
}

/** Records what the agent wrote and did, for `npm test`, without the place of the agents on this machine. */
async function record(name: TerminalAgent, { id, expected, startedAt }: Watched, program: string): Promise<void> {
  const { text } = await gateway.ask(`/v1/sessions/${id}/export?format=jsonl`);
  const [folder = ''] = /^.*(?=\/[^/]+-\d+\.)/.exec(program) ?? [];
  const pieces = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; time: number; text: string })
    .filter(({ kind }) => kind === 'tty')
    .map(({ time, text: piece }) => [
      time - startedAt,
      // Padded to its old length, for the frames around it.
      piece.replaceAll(folder, '/opt/agents'.padEnd(folder.length, '-')),
    ]);
  mkdirSync(RECORDED, { recursive: true });
  const recorded = { cols: COLS, rows: ROWS, expected, pieces };
  writeFileSync(join(RECORDED, `${name}.json.gz`), gzipSync(JSON.stringify(recorded), { level: 9 }));
}

/** Acts that agents ask leave for, in the words of their hooks. Codex tells its hook only that a turn is over. */
const SAYS: Readonly<Record<TerminalAgent, RegExp>> = {
  claude: /touch made\.txt/,
  codex: /following command\?/,
  gemini: /./,
  opencode: /bash: touch made\.txt/,
  qwen: /touch made\.txt/,
};

async function play(name: TerminalAgent, isHooked: boolean): Promise<void> {
  const { agent, command } = await start(name, isHooked);
  try {
    await agent.shows(command.ready);
    await agent.becomes('idle', 30_000);
    await agent.types('SLOW 60');
    // On a busy machine some agents take the first key of all for another one.
    await agent.shows(/word3\b/, 20_000).catch(() => gateway.input(agent.id, '\r'));
    await agent.shows(/word3\b/);
    await agent.becomes('working');
    const worked = agent.states.length;
    await agent.shows(/word25\b/);
    expect(agent.states.slice(worked), 'while it worked').toEqual([]);
    await agent.becomes('idle', 30_000);

    await agent.types(command.askFor('touch made.txt'));
    const asked = await agent.shows(command.asks);
    const late = (await agent.becomes('waiting_approval')) - asked;
    const waits = agent.states.length;
    await new Promise((done) => setTimeout(done, 6000));
    expect(agent.states.slice(waits), 'while it waited').toEqual([]);
    const { text } = await agent.activity();
    if (isHooked) expect(text).toMatch(SAYS[name]);

    await gateway.input(agent.id, '\r');
    await until('it waits no more', () => !agent.states.at(-1)?.state.startsWith('waiting'), MOST_LATE_MS);
    await agent.shows(/The tool said/);
    await agent.becomes('idle', 30_000);
    console.log(`${name}: waiting ${late} ms after the question (${text}); ${agent.states.map(({ state }) => state)}`);
    if (RECORD !== undefined && !isHooked) await record(name, agent, command.argv[0] as string);
  } finally {
    await agent.stop();
    await gateway.ask(`/v1/sessions/${agent.id}`, { method: 'DELETE' });
  }
}

describe.each([
  ['without hooks', false],
  ['with hooks', true],
] as const)('agents in terminals, %s', (_, isHooked) => {
  it.each(TERMINAL_AGENTS)(
    '%s: works, waits within 2 s of its question, works on, is idle',
    { timeout: 240_000 },
    (name) => play(name, isHooked),
  );
});
