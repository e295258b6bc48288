// A talk between a link and a real agent process, recorded call by call, so that it can be replayed. No gateway.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { QuietTimer } from '../../agents/process-life.ts';
import type {
  AgentLink,
  AgentSettings,
  AgentTerminals,
  ProcessOut,
  Prompt,
  TerminalAnswer,
  TurnEnd,
} from '../driver.ts';
import { acpDriver } from './acp.ts';

const FAKE = resolve(import.meta.dirname, '../../../../../../test/agents/fake-acp.mjs');

/** What the gateway calls. */
export type Call =
  | { readonly call: 'prompt'; readonly prompt: Prompt }
  | { readonly call: 'line'; readonly line: string }
  | { readonly call: 'answer'; readonly approval: string; readonly option: string }
  | { readonly call: 'terminal'; readonly answer: TerminalAnswer }
  | { readonly call: 'quiet' }
  | { readonly call: 'interrupt' };

/** What the link does, by name and arguments. */
export type Deed = readonly [what: string, ...args: unknown[]];

export class RecordingOut implements ProcessOut {
  readonly deeds: Deed[] = [];
  readonly terminals: AgentTerminals = {
    create: (...args) => this.did('terminal.create', ...args),
    sessionOf: (ref) => `session-of-${ref}`,
    output: (...args) => this.did('terminal.output', ...args),
    waitForExit: (...args) => this.did('terminal.wait', ...args),
    kill: (ref) => this.did('terminal.kill', ref),
    release: (ref) => this.did('terminal.release', ref),
  };
  readonly #listen: (deed: Deed) => void;

  constructor(listen: (deed: Deed) => void = () => undefined) {
    this.#listen = listen;
  }

  did(...deed: Deed): void {
    this.deeds.push(deed);
    this.#listen(deed);
  }

  delta = (text: string, stream = 'said'): void => {
    if (text !== '') this.did(stream, text);
  };
  replace = (text: string): void => this.did('replace', text);
  paragraph = (): void => this.did('paragraph');
  tool: ProcessOut['tool'] = (call) => this.did('tool', call);
  agent = (name: string, data: unknown): void => this.did('agent', name, data);
  usage: ProcessOut['usage'] = (usage) => this.did('usage', usage);
  approval: ProcessOut['approval'] = (request) => this.did('approval', request);
  withdraw = (approval: string): void => this.did('withdraw', approval);
  delivered = (message: string): void => this.did('delivered', message);
  ended = (end: TurnEnd): void => this.did('ended', end);
  send = (line: string): void => this.did('send', line);
  endInput = (): void => this.did('endInput');
}

export const SETTINGS: AgentSettings = { id: 'fake', driver: 'acp', command: ['fake-acp'] };

export function makeLink(
  out: ProcessOut,
  parts: { readonly state?: object; readonly memory?: string | null; readonly settings?: Partial<AgentSettings> } = {},
): AgentLink {
  const { state, memory = null, settings } = parts;
  return acpDriver.link({ ...SETTINGS, ...settings }, out, { state, memory, cwd: '/work' });
}

export function apply(link: AgentLink, call: Call): void {
  if (call.call === 'prompt') link.prompt(call.prompt);
  else if (call.call === 'line') link.line?.(call.line);
  else if (call.call === 'answer') link.answer(call.approval, call.option);
  else if (call.call === 'quiet') link.quiet?.();
  else if (call.call === 'terminal') link.terminal?.(call.answer);
  else link.interrupt();
}

export interface TalkOptions {
  /** Of the fake agent; or a whole command of another one. */
  readonly flags?: readonly string[];
  readonly command?: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly memory?: string | null;
  readonly settings?: Partial<AgentSettings>;
  /** What a person answers. Default: the first option that allows. */
  readonly answer?: (options: readonly { readonly id: string; readonly kind: string }[]) => string | null;
}

/** A real process, a link, and stand-ins for people and terminals: a terminal prints its command and exits with 0. */
export class Talk {
  readonly calls: Call[] = [];
  readonly out: RecordingOut;
  readonly link: AgentLink;
  readonly dir: string;
  /** What the link threw. */
  failure: unknown;
  readonly #child: ChildProcess;
  readonly #options: TalkOptions;
  #sent = 0;
  readonly #quiet = new QuietTimer();
  /** Whoever waits for the next call. */
  #waiting: (() => void)[] = [];

  constructor(options: TalkOptions = {}) {
    this.#options = options;
    this.dir = mkdtempSync(join(tmpdir(), 'binnacle-acp-'));
    const flags = options.flags ?? [];
    const [program, ...args] = options.command ?? [process.execPath, FAKE, '--dir', this.dir, ...flags];
    this.#child = spawn(program, args, {
      cwd: options.cwd ?? this.dir,
      stdio: ['pipe', 'pipe', 'ignore'],
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    this.#child.stdin?.on('error', () => undefined);
    this.out = new RecordingOut();
    const { settings, memory = null } = options;
    const cwd = options.cwd ?? this.dir;
    this.link = acpDriver.link({ ...SETTINGS, ...settings }, this.out, { state: undefined, memory, cwd });
    const { stdout } = this.#child;
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.do({ call: 'line', line }));
  }

  /** Sends a prompt and resolves with how its turn ended. */
  async turn(text: string, id = `m${this.calls.filter(({ call }) => call === 'prompt').length + 1}`): Promise<TurnEnd> {
    const before = this.#ends().length;
    this.do({ call: 'prompt', prompt: { id, text } });
    await this.until(() => this.#ends().length > before || this.failure !== undefined);
    if (this.failure !== undefined) throw this.failure;
    const end = this.#ends().at(-1);
    if (end === undefined) throw new Error('unreachable');
    return end;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** One call of the link, recorded, and what it asks for done. */
  do(call: Call): void {
    if (this.failure !== undefined) return;
    this.calls.push(call);
    try {
      apply(this.link, call);
    } catch (error) {
      this.failure = error;
    }
    for (const deed of this.out.deeds.slice(this.#sent)) {
      this.#sent += 1;
      this.#serve(deed);
    }
    this.#quiet.arm(this.link.quietMs, () => this.do({ call: 'quiet' }));
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Answer of the agent, as a person reads it. */
  get text(): string {
    return this.out.deeds
      .map(([what, text]) => (what === 'said' ? text : what === 'paragraph' ? '\n\n' : ''))
      .join('')
      .trim();
  }

  deeds(what: string): readonly Deed[] {
    return this.out.deeds.filter(([name]) => name === what);
  }

  close(): void {
    this.#quiet.stop();
    this.#child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  #ends(): TurnEnd[] {
    // What was recorded as such.
    return this.deeds('ended').map(([, end]) => end as TurnEnd);
  }

  #serve([what, ...args]: Deed): void {
    const later = (call: Call): void => void setImmediate(() => this.do(call));
    const [ref, question] = args as string[];
    if (what === 'send') this.#child.stdin?.write(`${ref}\n`);
    else if (what === 'approval') this.#decide(args[0] as Parameters<ProcessOut['approval']>[0], later);
    else if (ref === undefined) return;
    else if (what === 'terminal.create') later({ call: 'terminal', answer: { kind: 'created', ref } });
    else if (question === undefined) return;
    else if (what === 'terminal.output') {
      const exit = { exitCode: 0, signal: null };
      const answer = { kind: 'output', ref, question, text: `ran ${ref}\n`, truncated: false, exit } as const;
      later({ call: 'terminal', answer });
    } else if (what === 'terminal.wait') {
      later({ call: 'terminal', answer: { kind: 'exited', ref, question, exit: { exitCode: 0, signal: null } } });
    }
  }

  #decide(request: Parameters<ProcessOut['approval']>[0], later: (call: Call) => void): void {
    const choose = this.#options.answer ?? ((options) => options.find(({ kind }) => kind === 'allow_once')?.id ?? null);
    const option = choose(request.options);
    if (option !== null) later({ call: 'answer', approval: request.id, option });
  }
}
