// A real agent process with a link of a driver on it, without a gateway: what the driver tells, in order.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Approval, ToolCall, Usage } from '@binnacle/protocol';
import type {
  AgentLink,
  AgentSettings,
  ProcessDriver,
  ProcessOut,
  TurnEnd,
} from '../../packages/server/src/conversations/drivers/driver.ts';

export type Told =
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'thought'; readonly text: string }
  | { readonly kind: 'replace'; readonly text: string }
  | { readonly kind: 'paragraph' }
  | { readonly kind: 'tool'; readonly call: ToolCall }
  | { readonly kind: 'agent'; readonly name: string; readonly data: unknown }
  | { readonly kind: 'usage'; readonly usage: Usage }
  | { readonly kind: 'approval'; readonly asked: Pick<Approval, 'id' | 'title' | 'detail' | 'options'> }
  | { readonly kind: 'withdraw'; readonly id: string }
  | { readonly kind: 'delivered'; readonly message: string }
  | { readonly kind: 'ended'; readonly end: TurnEnd };

export interface AgentProcess {
  readonly told: readonly Told[];
  readonly cwd: string;
  /** What the agent has said in this turn. */
  readonly said: string;
  readonly state: object;
  prompt(id: string, text: string): void;
  inject(id: string, text: string): void;
  interrupt(): void;
  answer(approval: string, option: string): void;
  /** As a new gateway does: another link from the JSON of the state, which goes on with the same process. */
  relink(): void;
  /** Waits until something of this kind (that is like it) was told since the last prompt; fails when it is not. */
  until<K extends Told['kind']>(
    kind: K,
    like?: (told: Extract<Told, { kind: K }>) => boolean,
  ): Promise<Extract<Told, { kind: K }>>;
  close(): Promise<void>;
}

/** An agent that is silent for so long has stopped. */
const SILENT_MS = 20_000;
/** The start of a large agent is silent, and takes seconds of a processor that tests beside it want, too. */
const START_MS = 60_000;

export interface AgentProcessOptions {
  readonly settings?: Partial<AgentSettings>;
  readonly env?: Readonly<Record<string, string>>;
  readonly memory?: string | null;
  readonly cwd?: string;
  /** Put before the program, e.g. to run it without a network. */
  readonly wrap?: readonly string[];
}

export function startAgent(driver: ProcessDriver, options: AgentProcessOptions = {}): AgentProcess {
  const { memory = null, wrap = [], env = {} } = options;
  const isOwnCwd = options.cwd === undefined;
  const cwd = options.cwd ?? mkdtempSync(join(tmpdir(), 'binnacle-agent-'));
  const settings: AgentSettings = { id: 'test', driver: driver.name, ...options.settings };
  const launched = driver.launch(settings, { memory, prompt: { id: 'first', text: '' } });
  const [program = '', ...args] = [...wrap, ...launched.argv];
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...launched.env, ...env } });
  let told: Told[] = [];
  let lines = 0;
  let stderr = '';
  const watchers = new Set<() => void>();
  const tell = (one: Told): void => {
    told.push(one);
  };
  const nothing = (): never => {
    throw new Error('This agent has no terminals.');
  };
  const out: ProcessOut = {
    delta: (text, stream = 'said') => tell({ kind: stream, text }),
    replace: (text) => tell({ kind: 'replace', text }),
    paragraph: () => tell({ kind: 'paragraph' }),
    tool: (call) => tell({ kind: 'tool', call }),
    agent: (name, data) => tell({ kind: 'agent', name, data }),
    usage: (usage) => tell({ kind: 'usage', usage }),
    approval: (asked) => tell({ kind: 'approval', asked }),
    withdraw: (id) => tell({ kind: 'withdraw', id }),
    delivered: (message) => tell({ kind: 'delivered', message }),
    ended: (end) => tell({ kind: 'ended', end }),
    send: (line) => child.stdin.write(`${line}\n`),
    endInput: () => child.stdin.end(),
    terminals: {
      create: nothing,
      sessionOf: nothing,
      output: nothing,
      waitForExit: nothing,
      kill: nothing,
      release: nothing,
    },
  };
  let link: AgentLink = driver.link(settings, out, { state: undefined, memory, cwd });
  const wake = (): void => {
    for (const watcher of watchers) watcher();
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines += 1;
    link.line?.(line);
    wake();
  });
  child.stderr.on('data', (bytes) => {
    stderr = (stderr + String(bytes)).slice(-4000);
  });
  child.stdin.on('error', () => undefined);
  let failed: Error | undefined;
  child.on('error', (error) => {
    failed = error;
    wake();
  });
  child.on('close', (exitCode, signal) => {
    link.exited?.({ exitCode, signal, stderr });
    failed ??= new Error(`The agent ended with ${exitCode ?? signal}: ${stderr}`);
    wake();
  });

  const process_: AgentProcess = {
    cwd,
    get told() {
      return told;
    },
    get state() {
      return link.state;
    },
    get said() {
      return saidOf(told);
    },
    prompt: (id, text) => {
      told = [];
      link.prompt({ id, text });
    },
    inject: (id, text) => link.inject?.({ id, text }),
    interrupt: () => link.interrupt(),
    answer: (approval, option) => link.answer(approval, option),
    relink: () => {
      const state = JSON.parse(JSON.stringify(link.state)) as object;
      link = driver.link(settings, out, { state, memory: null, cwd });
      link.resumed?.();
    },
    until: (kind, like = () => true) =>
      new Promise((resolve, reject) => {
        const late = (): void => {
          watchers.delete(look);
          reject(new Error(`No ${kind} in time, but ${JSON.stringify(told).slice(-2000)}. ${stderr}`));
        };
        let timer = setTimeout(late, lines === 0 ? START_MS : SILENT_MS);
        let heard = lines;
        const look = (): void => {
          const found = told.find((one): one is Extract<Told, { kind: typeof kind }> => {
            return one.kind === kind && like(one as Extract<Told, { kind: typeof kind }>);
          });
          if (heard < lines) {
            heard = lines;
            clearTimeout(timer);
            timer = setTimeout(late, SILENT_MS);
          }
          if (found === undefined && failed === undefined) return;
          clearTimeout(timer);
          watchers.delete(look);
          if (found !== undefined) resolve(found);
          else reject(failed);
        };
        watchers.add(look);
        look();
      }),
    close: async () => {
      await ended(child);
      if (isOwnCwd) rmSync(cwd, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return process_;
}

/** As the gateway puts it together. */
export function saidOf(told: readonly Told[]): string {
  let said = '';
  let isBroken = false;
  for (const one of told) {
    if (one.kind === 'paragraph') isBroken = said !== '';
    else if (one.kind === 'replace') said = one.text;
    else if (one.kind === 'said' && one.text !== '') {
      said += isBroken ? `\n\n${one.text}` : one.text;
      isBroken = false;
    }
  }
  return said;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.kill('SIGKILL');
  });
}
