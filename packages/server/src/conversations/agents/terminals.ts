// The terminals of an agent: sessions in which its commands run, so that people can watch and steer them.

import { createHash } from 'node:crypto';
import {
  BinnacleError,
  type CreateSession,
  defined,
  isOutput,
  isSessionId,
  nameOfCommand,
  type SessionId,
  type SessionState,
  type SignalName,
} from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { positionOf } from '../../cursor/start-position.ts';
import { incompleteBytes } from '../../cursor/text-decoder.ts';
import type { LogReader } from '../../log/log.ts';
import type { AgentTerminals, TerminalAnswer } from '../drivers/driver.ts';

/** The part of `Session` that terminals need. */
export interface TerminalSession {
  readonly id: SessionId;
  readonly isHosted: boolean;
  readonly record: { readonly state: SessionState; readonly exitCode: number | null; readonly signal: string | null };
  /** Throws if there is no log (any more). */
  readonly log: LogReader;
  refresh(): Promise<void>;
  listen(listener: { changed?(): void; deleted?(): void }): () => void;
  signal(signal: SignalName, by: { readonly name: string }): Promise<void>;
  /** Ends the program and all its children. */
  end(): Promise<void>;
}

/** The part of `Sessions` that terminals need. */
export interface TerminalHost {
  /** Creates a session. Throws for an invalid command, and `invariant` for an id that is in use. */
  create(
    request: CreateSession,
    options: {
      readonly id: SessionId;
      readonly isShell: boolean;
      readonly conversation: string;
      readonly orPipes: boolean;
    },
  ): Promise<TerminalSession>;
  /** Returns a session. Throws `session_not_found`, `session_gone`. */
  get(id: string): TerminalSession;
}

export interface TerminalsParts {
  readonly host: TerminalHost;
  /** Ids of the conversation and of the agent's process in it: together with a ref they make the id of a session. */
  readonly conversation: string;
  readonly process: string;
  /** Sender of signals in the log of a session. */
  readonly name?: string;
  answer(answer: TerminalAnswer): void;
  /** Called before a command runs; rejects with the veto of a hook. Returns undefined if no hook applies. */
  before?(spec: CommandSpec): Promise<void> | undefined;
  /** Maximum terminals that are not released. Default 32: each costs a PTY and its processes. */
  readonly maxTerminals?: number;
  /** Delay between SIGTERM and the end by force. Default 2000 ms. */
  readonly killMs?: number;
}

type CommandSpec = Parameters<AgentTerminals['create']>[1];
type TerminalExit = { readonly exitCode: number | null; readonly signal: string | null };
const UNKNOWN: TerminalExit = { exitCode: null, signal: null };

const DEFAULT_MAX_TERMINALS = 32;
const DEFAULT_KILL_MS = 2000;
/** Size of a terminal. Output is laid out for people, most of whose pages are wider than 80 columns. */
const SIZE = { cols: 120, rows: 30 };
/** Variables against pagers, which would wait for a person to scroll on a terminal. */
const ENV = { PAGER: 'cat', GIT_PAGER: 'cat' };
/** Characters that only a shell interprets. */
const SHELL_SYNTAX = /[\s;&|<>$`"'*?()[\]{}~#!\\]/;

export class Terminals implements AgentTerminals {
  readonly #parts: TerminalsParts;
  /** Terminals that are not released, by ref. */
  readonly #open = new Map<string, Promise<TerminalSession>>();

  constructor(parts: TerminalsParts) {
    this.#parts = parts;
  }

  create(ref: string, spec: CommandSpec): void {
    this.#made(ref, spec).then(
      () => this.#parts.answer({ kind: 'created', ref }),
      (error: unknown) => {
        this.#open.delete(ref);
        const message = error instanceof BinnacleError ? `${error.message} ${error.hint}` : 'It could not be started.';
        this.#parts.answer({ kind: 'failed', ref, message });
      },
    );
  }

  sessionOf(ref: string): string {
    const { conversation, process } = this.#parts;
    const hash = createHash('sha256')
      .update(JSON.stringify([conversation, process, ref]))
      .digest('hex');
    // Lists order sessions by id, newest first. The time in the id is that of the process, whose id is a UUID of
    // version 7.
    const time = isSessionId(process) ? process.slice(0, 13) : `${hash.slice(12, 20)}-${hash.slice(20, 24)}`;
    const variant = ((Number.parseInt(hash.slice(3, 4), 16) & 0x3) | 0x8).toString(16);
    return `${time}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(24, 36)}`;
  }

  output(ref: string, question: string, limit: number): void {
    this.#find(ref)
      .then((session) => outputOf(session, limit))
      .catch(() => ({ text: '', truncated: true, exit: UNKNOWN }))
      .then((output) => this.#parts.answer({ kind: 'output', ref, question, ...output }))
      .catch(dropped);
  }

  waitForExit(ref: string, question: string): void {
    this.#find(ref)
      .then((session) => exitedOf(session))
      // The session was deleted; its exit is no longer known.
      .catch(() => UNKNOWN)
      .then((exit) => this.#parts.answer({ kind: 'exited', ref, question, exit }))
      .catch(dropped);
  }

  kill(ref: string): void {
    this.#find(ref)
      .then((session) => this.#kill(session))
      .catch(dropped);
  }

  release(ref: string): void {
    const session = this.#find(ref);
    this.#open.delete(ref);
    session.then((found) => found.end()).catch(dropped);
  }

  /** Ends the programs of all terminals. Their logs stay. */
  endAll(): void {
    for (const session of this.#open.values()) session.then((found) => found.end()).catch(dropped);
  }

  #made(ref: string, spec: CommandSpec): Promise<TerminalSession> {
    const known = this.#open.get(ref);
    if (known !== undefined) return known;
    const made = this.#make(ref, spec);
    this.#open.set(ref, made);
    return made;
  }

  async #make(ref: string, spec: CommandSpec): Promise<TerminalSession> {
    const { host, conversation, maxTerminals = DEFAULT_MAX_TERMINALS } = this.#parts;
    const id = this.sessionOf(ref) as SessionId;
    // An earlier gateway may have started the session and ended before it could report that.
    const found = there(host, id);
    if (found !== undefined) return found;
    if (this.#open.size >= maxTerminals) {
      throw new BinnacleError('too_many_sessions', {
        message: `The agent has ${maxTerminals} terminals already.`,
        hint: 'Release one first.',
        details: { limit: maxTerminals },
      });
    }
    await this.#parts.before?.(spec);
    return host.create(requestFor(spec), { id, isShell: false, conversation, orPipes: true });
  }

  #find(ref: string): Promise<TerminalSession> {
    const known = this.#open.get(ref);
    if (known !== undefined) return known;
    try {
      const found = Promise.resolve(this.#parts.host.get(this.sessionOf(ref)));
      this.#open.set(ref, found);
      return found;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #kill(session: TerminalSession): Promise<void> {
    if (exitOf(session) !== null) return;
    const { name = 'agent', killMs = DEFAULT_KILL_MS } = this.#parts;
    // Another user may hold the lease, or the program may ignore the signal: it is then ended below.
    await session.signal('SIGTERM', { name }).catch(dropped);
    const timer = setTimeout(() => session.end().catch(dropped), killMs);
    await exitedOf(session);
    clearTimeout(timer);
  }
}

/** Ignores an error: the session or its runner is gone, and callers that wait for the exit learn of it. */
const dropped = (): void => undefined;

/**
 * Returns the session; undefined if it never existed. Throws `session_gone` for a deleted session, which must not run
 * again.
 */
function there(host: TerminalHost, id: SessionId): TerminalSession | undefined {
  try {
    return host.get(id);
  } catch (error) {
    if (error instanceof BinnacleError && error.code === 'session_not_found') return undefined;
    throw error;
  }
}

/**
 * Converts a request into a session. Clients of the protocol pass commands to a shell, so agents send whole command
 * lines in the place of a program.
 */
function requestFor({ command, args, cwd, env }: CommandSpec): CreateSession {
  const argv = args.length === 0 && SHELL_SYNTAX.test(command) ? ['/bin/sh', '-c', command] : [command, ...args];
  return {
    argv,
    mode: 'pty',
    ...SIZE,
    name: nameOfCommand([command, ...args].join(' ')),
    env: { ...ENV, ...env },
    ...defined({ cwd }),
  };
}

/** Returns the exit; null while the program runs. */
function exitOf({ record }: TerminalSession): TerminalExit | null {
  const { state, exitCode, signal } = record;
  return state === 'starting' || state === 'running' ? null : { exitCode, signal };
}

/** Waits for the exit. All output of the program itself is in the log by then. */
function exitedOf(session: TerminalSession): Promise<TerminalExit> {
  return new Promise((resolve) => {
    const settle = (exit: TerminalExit): void => {
      unlisten();
      resolve(exit);
    };
    const check = (): void => {
      const exit = exitOf(session);
      if (exit !== null) settle(exit);
    };
    const unlisten = session.listen({ changed: check, deleted: () => settle(exitOf(session) ?? UNKNOWN) });
    check();
  });
}

async function outputOf(
  session: TerminalSession,
  limit: number,
): Promise<{ text: string; truncated: boolean; exit: TerminalExit | null }> {
  // If the runner does not answer, the output known so far is used.
  await session.refresh().catch(dropped);
  const exit = exitOf(session);
  const { log } = session;
  const end = log.head;
  const cursor = new Cursor(log, await positionOf(log, { tail: limit }));
  let isWhole = cursor.position.offset === 0;
  const parts: Uint8Array[] = [];
  while (cursor.position.place < end.place) {
    const reading = await cursor.next();
    if (reading.kind === 'head') break;
    if (reading.kind === 'gap') {
      isWhole = false;
      continue;
    }
    // Output that arrived during this read belongs to the next one.
    for (const { kind, bytes, offset } of reading.page.entries) {
      if (isOutput(kind) && offset < end.offset) parts.push(bytes.subarray(0, end.offset - offset));
    }
  }
  const bytes = Buffer.concat(parts);
  return { text: textOf(bytes, { cutsBegin: !isWhole, cutsEnd: exit === null }), truncated: !isWhole, exit };
}

/** Decodes text, without partial characters at its cut ends. */
function textOf(bytes: Uint8Array, { cutsBegin, cutsEnd }: { cutsBegin: boolean; cutsEnd: boolean }): string {
  let begin = 0;
  if (cutsBegin) while (begin < 3 && ((bytes[begin] ?? 0) & 0xc0) === 0x80) begin += 1;
  const end = bytes.length - (cutsEnd ? incompleteBytes(bytes.subarray(begin)) : 0);
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(begin, end));
}
