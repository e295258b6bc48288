// `binnacle emit`: shows a local program in a gateway that may be remote or unreachable. The program has priority: its
// bytes, exit code and pace are the same as without this command.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { createEmitter, type EmittedSession, type Emitter, type EmitterOptions } from '@binnacle/emit';
import { defined, isEmittedId, shellWord } from '@binnacle/protocol';
import { Fifos, type OpenFifo } from '@binnacle/server/fifos';
import type { Options } from '../declarations/commands.ts';
import { EmitMessages } from '../emit/format.ts';
import { PassThrough } from '../emit/pass-through.ts';
import { namedGateway } from '../gateway/address.ts';
import { ProvenAddress } from '../gateway/proven-address.ts';
import { parseLabels } from '../input/labels.ts';
import { parseBytes, parseTimeout } from '../input/quantities.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';

type Stream = 'stdout' | 'stderr';

/** Exit code or signal of a program; both null for stdin. */
interface ProgramEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

const FORWARDED: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
];
/** A terminal sends these signals to the program itself, too: forwarded they would arrive twice. */
const FROM_TERMINALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
/** Limits of the emitter. */
const LEAST_BUFFER = 64 * 1024;
const MOST_BUFFER = 2 ** 40;

export async function emit(command: readonly string[], options: Options<'emit'>): Promise<number> {
  if (command.length === 0 && process.stdin.isTTY === true)
    throw usage('There is nothing to emit.', 'Pass a program after --, or pipe its output: CMD | binnacle emit');
  const { session: id, bufferDir } = options;
  const flushMs = parseTimeout(options.flushMs);
  const sessionOptions = sessionOf(command, options);
  const what = command.length === 0 ? 'stdin' : 'the program';
  const messages = new EmitMessages({ session: id, bufferDir, flushMs, what });
  const place = new ProvenAddress(() => namedGateway(options.data));
  await place.check();
  const emitter = emitterOf(options, flushMs, messages, place);
  const waitMs = isPlaceGood(options.data, messages) ? flushMs : 0;
  if (command.length === 0) return await tee(emitter, emitter.session(sessionOptions), waitMs, messages);
  const wrapped = await start(command);
  const session = emitter.session(sessionOptions);
  const interrupted = forwardTo(wrapped.child);
  const { exitCode, signal } = await wrapped.run((stream, bytes) => session.output(bytes, { stream }));
  session.end({ exitCode, signal });
  const code = signal === null ? (exitCode ?? EXIT.failed) : 128 + constants.signals[signal];
  interrupted(() => finish(emitter, code, messages));
  await emitter.close(waitMs);
  return finish(emitter, code, messages);
}

/** Ends the process explicitly: a process that holds stdin open must not keep this command alive. */
function finish(emitter: Emitter, code: number, messages: EmitMessages): never {
  messages.end(emitter.stats);
  process.exit(code);
}

/** Checks the address of the gateway. Returns false and reports an address that can never work. */
function isPlaceGood(data: string | undefined, messages: EmitMessages): boolean {
  try {
    namedGateway(data);
    return true;
  } catch (error) {
    // A gateway that does not run now may start later.
    if (error instanceof Failure && error.exitCode === EXIT.unreachable) return true;
    messages.wrongPlace(error);
    return false;
  }
}

function sessionOf(command: readonly string[], options: Options<'emit'>) {
  const { session, source, label } = options;
  if (session !== undefined && !isEmittedId(session))
    throw usage(
      `"${session}" is not a valid session id.`,
      'Use 1 to 200 of A-Z, a-z, 0-9 and . _ : @ + = , ~ -, beginning with a letter or digit.',
    );
  return {
    source: source ?? sourceOf(command[0]),
    labels: parseLabels(label),
    cwd: process.cwd(),
    stream: 'stdout',
    ...defined({ id: session }),
    ...(command.length === 0 ? {} : { command: command.map(shellWord).join(' ') }),
  } as const;
}

function emitterOf(options: Options<'emit'>, flushMs: number, messages: EmitMessages, place: ProvenAddress): Emitter {
  const { bufferDir, buffer } = options;
  const settings: EmitterOptions = {
    // Read for each request, so that a gateway is found that starts later or restarts on another port.
    url: () => place.current?.url,
    token: () => place.current?.token,
    flushMs,
    buffer: { ...(buffer === undefined ? {} : { bytes: bufferBytes(buffer) }), ...defined({ dir: bufferDir }) },
    onDiagnostic: (diagnostic) => messages.warn(diagnostic),
  };
  try {
    return createEmitter(settings);
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function bufferBytes(text: string): number {
  const bytes = parseBytes(text);
  if (bytes < LEAST_BUFFER || bytes > MOST_BUFFER)
    throw usage('--buffer takes a size from 64KiB to 1TiB.', 'For example: --buffer 8MiB');
  return bytes;
}

/** Implements CMD | binnacle emit */
async function tee(emitter: Emitter, session: EmittedSession, waitMs: number, messages: EmitMessages): Promise<number> {
  let code: number = EXIT.ok;
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals += 1;
      // Ctrl-C also goes to the program before the pipe: its last output is still read.
      if (signal === 'SIGINT' && signals === 1 && (process.stdout.isTTY || process.stderr.isTTY)) return;
      code = 128 + constants.signals[signal];
      // A blocked write would prevent an orderly exit.
      if (signals > 1) process.kill(process.pid, 'SIGKILL');
      process.stdin.destroy();
    });
  }
  const out = new PassThrough(1);
  const wrong = await readAll(process.stdin, out, (bytes) => session.output(bytes));
  if (wrong !== undefined) {
    messages.wrongStdin(wrong);
    code = EXIT.failed;
  }
  session.end();
  await emitter.close(waitMs);
  return finish(emitter, code, messages);
}

interface WrappedProgram {
  readonly child: ChildProcess;
  /** Resolves when the program has ended, and both outputs are closed and passed on. */
  run(take: (stream: Stream, bytes: Buffer) => void): Promise<ProgramEnd>;
}

/** Starts the program with FIFOs if possible: Node's own pipes are sockets, on which `> /dev/stderr` fails. */
async function start([program = '', ...args]: readonly string[]): Promise<WrappedProgram> {
  const fifos = await openFifos();
  let child: ChildProcess;
  try {
    child = spawn(program, args, { stdio: ['inherit', fifos?.[0].theirs ?? 'pipe', fifos?.[1].theirs ?? 'pipe'] });
  } catch (error) {
    // spawn() throws for an invalid program name; other failures arrive as an event.
    throw notStarted(program, error as NodeJS.ErrnoException);
  } finally {
    for (const { theirs } of fifos ?? []) closeSync(theirs);
  }
  const exited = new Promise<ProgramEnd>((resolve) =>
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal })),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => reject(notStarted(program, error)));
  });
  const stdout = fifos === undefined ? child.stdout : socketOf(fifos[0].ours);
  const stderr = fifos === undefined ? child.stderr : socketOf(fifos[1].ours);
  return {
    child,
    run: async (take) => {
      const [ended] = await Promise.all([
        exited,
        readAll(stdout, new PassThrough(1), (bytes) => take('stdout', bytes)),
        readAll(stderr, new PassThrough(2), (bytes) => take('stderr', bytes)),
      ]);
      return ended;
    },
  };
}

/** Opens the FIFOs. Undefined without a directory for them: the program then runs with Node's pipes. */
async function openFifos(): Promise<readonly [OpenFifo, OpenFifo] | undefined> {
  let dir: string | undefined;
  try {
    dir = mkdtempSync(join(tmpdir(), 'binnacle-emit-'));
    const fifos = new Fifos(dir);
    return [await fifos.openOutput(), await fifos.openOutput()];
  } catch {
    return undefined;
  } finally {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  }
}

function notStarted(program: string, error: NodeJS.ErrnoException): Failure {
  const hint = /\s/.test(program) ? `For shell text: binnacle emit -- sh -c ${shellWord(program)}` : undefined;
  if (error.code === 'ENOENT') return new Failure(EXIT.noProgram, `There is no program "${program}".`, hint);
  return new Failure(error.code === 'EACCES' ? 126 : EXIT.failed, `"${program}" cannot be started: ${error.message}`);
}

const socketOf = (fd: number): Socket => new Socket({ fd, readable: true, writable: false });

/**
 * Reads until the source has ended and all bytes are passed on, with back-pressure. Returns the error of an early end.
 */
async function readAll(
  source: Readable | null,
  out: PassThrough,
  take: (bytes: Buffer) => void,
): Promise<Error | undefined> {
  if (source === null) return undefined;
  const wrong = await new Promise<Error | undefined>((resolve) => {
    source.on('data', (bytes: Buffer) => {
      take(bytes);
      if (out.write(bytes)) return;
      source.pause();
      void out.drained().then(() => source.resume());
    });
    source.on('error', (error) => {
      source.destroy();
      resolve(error);
    });
    // A stdin that is a file emits `end` and never `close`; a destroyed one emits `close` and never `end`.
    source.on('end', () => resolve(undefined));
    source.on('close', () => resolve(undefined));
  });
  await out.drained();
  return wrong;
}

/**
 * Forwards signals to the program. Call the result when the program has ended: from then on a signal ends the wait for
 * the gateway.
 */
function forwardTo(child: ChildProcess): (instead: () => void) => void {
  let afterwards: (() => void) | undefined;
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY === true);
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (afterwards !== undefined) {
        if (signal !== 'SIGCONT') afterwards();
      } else if (!hasTerminal || !FROM_TERMINALS.includes(signal)) child.kill(signal);
    });
  }
  return (instead) => {
    afterwards = instead;
  };
}

/** Returns the source. `local` is reserved for sessions of the gateway itself. */
function sourceOf(program: string | undefined): string {
  const name = program === undefined ? 'stdin' : basename(program).slice(0, 64);
  return name === 'local' ? 'emit' : name;
}
