// `binnacle exec`: runs a command in the shell of a session, and exits with its code.

import { constants } from 'node:os';
import type { Binnacle, Run, RunStreamEvent } from '@binnacle/client';
import { TextReader } from '@binnacle/client';
import { type RunInfo, shellWord } from '@binnacle/protocol';
import { inControl } from '../attach/in-control.ts';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { parseTimeout } from '../input/quantities.ts';
import { EXIT, usage } from '../output/failure.ts';
import { writeTo } from '../terminal/terminal.ts';

export async function exec(
  session: string | undefined,
  args: readonly string[],
  options: Options<'exec'>,
): Promise<number> {
  // With --new no session is named: that argument is the first word of the command.
  const all = options.new === true && session !== undefined ? [session, ...args] : args;
  if (options.new !== true && session === undefined) throw usage('Name a session, or pass --new.');
  if (all.length === 0)
    throw usage('There is no command.', 'Put the command after --, e.g. binnacle exec build -- make -j4');
  if (options.new === true && options.detach === true) {
    throw usage('--new deletes its session at the end, so it cannot be used with --detach.');
  }
  const request = {
    command: shellText(all),
    ...(options.timeout === undefined ? {} : { timeoutMs: parseTimeout(options.timeout) }),
  };
  return await withClient(options, async (client) => {
    if (options.new !== true) return await execIn(client, await findSession(client, session ?? ''), request, options);
    const made = await client.sessions.create({ runs: true, mode: 'pipe', cwd: process.cwd() });
    try {
      return await execIn(client, made, request, options);
    } finally {
      await client.sessions.delete(made.id);
    }
  });
}

/**
 * Converts words to shell text. A single word is shell text; several are a program and its arguments, and are quoted.
 */
export const shellText = (args: readonly string[]): string =>
  args.length === 1 ? (args[0] ?? '') : args.map(shellWord).join(' ');

async function execIn(
  client: Binnacle,
  { id }: { readonly id: string },
  { command, ...request }: { readonly command: string; readonly timeoutMs?: number },
  options: Options<'exec'>,
): Promise<number> {
  return await inControl(client.session(id), options, async (session) => {
    const run = session.run(command, request);
    const release = cancelOnSignal(run);
    try {
      if (options.detach !== true) return exitCodeOf(await show(run, options.json === true ? asJson() : asItIs()));
      const accepted = await run.accepted;
      process.stdout.write(`${options.json === true ? JSON.stringify(accepted) : accepted.id}\n`);
      return EXIT.ok;
    } finally {
      release();
    }
  });
}

type EventPrinter = (event: RunStreamEvent) => Promise<void>;

async function show(run: Run, print: EventPrinter): Promise<RunInfo> {
  for await (const event of run) await print(event);
  return await run.ended;
}

function asItIs(): EventPrinter {
  return async (event) => {
    if (event.type === 'output') await writeTo(event.kind === 'stderr' ? process.stderr : process.stdout, event.bytes);
    if (event.type === 'gap') say(`${event.to - event.from} bytes of output are missing (${event.reason})`);
    if (event.type === 'reset') say('the command ended its shell; the next command gets a new one');
  };
}

/** Prints one line per event. Output as text: characters stay whole, and invalid UTF-8 becomes U+FFFD. */
function asJson(): EventPrinter {
  const reader = new TextReader();
  const write = (value: object): Promise<void> => writeTo(process.stdout, Buffer.from(`${JSON.stringify(value)}\n`));
  return async (event) => {
    if (event.type === 'output') {
      const { bytes, ...rest } = event;
      const text = reader.read(event.kind, bytes);
      if (text !== '') await write({ ...rest, text });
      return;
    }
    if (event.type === 'gap' || event.type === 'end') {
      for (const { kind, text } of reader.flush()) await write({ type: 'output', kind, text });
    }
    await write(event);
  };
}

/** Returns the exit code. The code of a lost run is unknown: none is invented. */
function exitCodeOf({ outcome, exitCode }: RunInfo): number {
  if (outcome !== null && outcome !== 'exited') say(OUTCOME_TEXTS[outcome]);
  return exitCode ?? EXIT.failed;
}

const OUTCOME_TEXTS = {
  timed_out: 'the command took longer than --timeout, and was ended',
  cancelled: 'the command was cancelled',
  session_ended: 'the session ended before the command',
  lost: 'the exit code is not known: the process that owned the command died',
} as const;

const say = (text: string): boolean => process.stderr.write(`[binnacle: ${text}]\n`);

/**
 * Cancels the run on the first signal, and the end of the run ends this command; the second signal ends this command at
 * once. A closed stdout does both.
 */
function cancelOnSignal(run: Run): () => void {
  let signals = 0;
  const cancel = (code: number): void => {
    signals += 1;
    if (signals > 1) process.exit(code);
    run.cancel().catch(() => process.exit(code));
  };
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const listener = (): void => cancel(128 + constants.signals[signal]);
    process.on(signal, listener);
    return (): void => void process.off(signal, listener);
  });
  // Replaces the listener that exits at once: the run would continue without a reader.
  const others = process.stdout.listeners('error') as ((error: Error) => void)[];
  const closed = (): void => {
    if (signals === 0)
      run.cancel().then(
        () => process.exit(EXIT.ok),
        () => process.exit(EXIT.failed),
      );
    signals += 1;
  };
  process.stdout.removeAllListeners('error').on('error', closed);
  listeners.push(() => {
    process.stdout.off('error', closed);
    for (const other of others) process.stdout.on('error', other);
  });
  return () => {
    for (const release of listeners) release();
  };
}
