// A terminal attached to a session: output to the terminal, keys and sizes from it, until the end or a detach.

import { constants } from 'node:os';
import type { AttachmentEvent, Binnacle, Session } from '@binnacle/client';
import { BinnacleError, type SessionInfo, type StartPosition, shellWord } from '@binnacle/protocol';
import { EXIT } from '../output/failure.ts';
import { dataFlag } from '../output/shell.ts';
import { printable } from '../output/style.ts';
import { attachFilter } from '../terminal/filters.ts';
import { Terminal, terminalSize } from '../terminal/terminal.ts';
import { DetachKeys } from './detach-keys.ts';
import { holderName } from './in-control.ts';
import { feed } from './session-input.ts';

export interface ViewOptions {
  readonly from: StartPosition;
  /** Output before this offset is history: it is shown without its side effects. */
  readonly replayUntil: number;
  readonly lease: 'none' | 'acquire' | 'take';
  /** Detach keys from `parseKeys`; undefined for none. */
  readonly keys: readonly (readonly string[])[] | undefined;
  /** True if the end of stdin ends the program's input. */
  readonly closesStdin: boolean;
  /** `--data` of the command. */
  readonly data?: string | undefined;
}

/** Maximum wait for output after the program's end: its background processes may hold the output open for ever. */
const LINGER_MS = 1000;

/** Maximum wait for the release of the lease: a round trip on a bad line. */
const RELEASE_MS = 500;

/** Exit code or signal of the program; both null if unknown. */
type ExitStatus = Pick<SessionInfo, 'exitCode' | 'signal'>;

/** `lingers`: the program has ended, but its background processes hold the output open. */
type ViewEnd = { readonly kind: 'ended' | 'lingers'; readonly status: ExitStatus } | { readonly kind: 'detached' };

/** Resolves with the exit code of the program, or 0 after a detach. */
export async function view(client: Binnacle, info: SessionInfo, options: ViewOptions): Promise<number> {
  const session = client.session(info.id);
  if (info.foreign !== null) {
    const where = `${hasEnded(info) ? 'ran' : 'runs'} elsewhere (${printable(info.foreign.source)})`;
    process.stderr.write(`[binnacle: ${printable(info.name) || info.id} ${where}; only watching]\n`);
  }
  const steers = !hasEnded(info) && (await mayWrite(session, info, options.lease));
  // On pipes only the local terminal edits lines and makes Ctrl-C a signal, so it stays in its normal mode.
  const terminal = new Terminal({ raw: info.mode === 'pty' });
  const stopNotices = [
    noticeConnection(client, terminal),
    session.lease.on('lost', (error) => {
      // A program that ends takes its lease along: that is not a loss worth a message.
      if (error.code !== 'session_exited') terminal.notice(`${error.message} To take control again: attach --take`);
    }),
  ];
  let ending: ViewEnd;
  try {
    const attachment = session.attach(options.from);
    const detached = new Promise<ViewEnd>((resolve) => {
      const detach = (): void => resolve({ kind: 'detached' });
      signalKeys(session, terminal, steers, detach);
      if (process.stdin.isTTY) readKeys(session, terminal, options, steers, detach);
      else if (steers) feedStdin(session, terminal, options.closesStdin);
    });
    if (steers && info.mode === 'pty') await fitSize(session, terminal, info);
    const shown = show(attachment, terminal, options.replayUntil, () => {
      if (steers && info.mode === 'pty') redraw(session, terminal);
    });
    ending = await Promise.race([shown, detached]);
  } finally {
    for (const stop of stopNotices) stop();
    terminal.leave();
    await letGo(session);
  }
  const name = printable(info.name) || info.id;
  if (ending.kind === 'detached') {
    process.stderr.write(
      `\n[binnacle: detached; the program keeps running. To return: binnacle attach ${shellWord(name)}${dataFlag(options.data)}]\n`,
    );
    return EXIT.ok;
  }
  if (ending.kind === 'lingers') terminal.notice(`${name} has ended; background processes keep running`);
  const code = exitCodeOfProgram(ending.status);
  if (code === undefined) terminal.notice('the exit code of the program is not known');
  // No local shell has run the program, so only this message tells how it ended.
  else if (info.foreign !== null) terminal.notice(`${name} ${endOf(ending.status)}`);
  return code ?? EXIT.failed;
}

/** Returns the exit code; 128 + n for a signal, as in shells. Undefined if unknown: no code is invented. */
export function exitCodeOfProgram(status: ExitStatus): number | undefined {
  if (status.exitCode !== null) return status.exitCode;
  const number = Object.entries(constants.signals).find(([name]) => name === status.signal)?.[1];
  return number === undefined ? undefined : 128 + number;
}

const endOf = ({ exitCode, signal }: ExitStatus): string =>
  exitCode === null ? `was ended by ${printable(signal ?? '')}` : `has ended with ${exitCode}`;

const hasEnded = (info: SessionInfo): boolean => info.exitedAt !== null || info.state === 'lost';

/**
 * Returns true if this terminal may write. A shell that takes runs is shared: a permanent lease would block every run,
 * so each key is a write of its own.
 */
async function mayWrite(session: Session, info: SessionInfo, lease: ViewOptions['lease']): Promise<boolean> {
  if (lease === 'none') return false;
  return (info.runs !== null && lease === 'acquire') || (await acquireLease(session, lease));
}

/**
 * Acquires the lease. Returns false, with a message on stderr, if another client has the lease: watching still works.
 */
async function acquireLease(session: Session, how: 'acquire' | 'take'): Promise<boolean> {
  try {
    await session.lease[how]({ holder: holderName() });
    return true;
  } catch (error) {
    if (error instanceof BinnacleError && error.code === 'session_exited') return false; // the program ended first
    if (!(error instanceof BinnacleError) || (error.code !== 'lease_held' && error.code !== 'forbidden')) throw error;
    const holder = error.details?.holder;
    const who = typeof holder === 'string' ? `${printable(holder)} is in control` : error.message;
    process.stderr.write(
      `[binnacle: ${who}; only watching${error.code === 'lease_held' ? ' (--take takes control)' : ''}]\n`,
    );
    return false;
  }
}

async function show(
  events: AsyncIterable<AttachmentEvent>,
  terminal: Terminal,
  replayUntil: number,
  caughtUp: () => void,
): Promise<ViewEnd> {
  // A file or a pipe gets live output byte for byte.
  const filters = { stdout: attachFilter(process.stdout.isTTY), stderr: attachFilter(process.stderr.isTTY) };
  let isHistory = replayUntil > 0;
  const goLive = (): void => {
    for (const filter of Object.values(filters)) filter.goLive();
  };
  if (!isHistory) goLive();
  let lingering: NodeJS.Timeout | undefined;
  let lingers: (ending: ViewEnd) => void = () => undefined;
  const endOfPatience = new Promise<ViewEnd>((resolve) => {
    lingers = resolve;
  });
  const all = (async (): Promise<ViewEnd> => {
    let status: ExitStatus = { exitCode: null, signal: null };
    for await (const event of events) {
      if (event.type === 'output') {
        const name = event.kind === 'stderr' ? 'stderr' : 'stdout';
        const [filter, to] = [filters[name], process[name]];
        let live = event.bytes;
        if (isHistory) {
          const history = live.subarray(0, Math.max(0, replayUntil - event.offset));
          live = live.subarray(history.length);
          await terminal.write(filter.push(history), to);
          if (event.offset + event.bytes.length >= replayUntil) {
            isHistory = false;
            goLive();
            caughtUp();
          }
        }
        await terminal.write(filter.push(live), to);
      } else if (event.type === 'gap') {
        terminal.notice(`${event.to - event.from} bytes of output are missing (${event.reason})`);
      } else if (event.type === 'exit') {
        status = event.data;
        lingering = setTimeout(() => lingers({ kind: 'lingers', status: event.data }), LINGER_MS);
      } else if (event.type === 'end' && lingering === undefined) {
        status = event.info; // this terminal attached after the exit
      }
    }
    for (const name of ['stdout', 'stderr'] as const) await terminal.write(filters[name].end(), process[name]);
    return { kind: 'ended', status };
  })();
  try {
    return await Promise.race([all, endOfPatience]);
  } finally {
    clearTimeout(lingering);
  }
}

function readKeys(
  session: Session,
  terminal: Terminal,
  options: ViewOptions,
  steers: boolean,
  detach: () => void,
): void {
  const keys = new DetachKeys(terminal.raw ? options.keys : undefined);
  let detached = false;
  let hasNotified = false;
  const send = (bytes: Uint8Array): void => {
    if (bytes.length === 0 || detached) return;
    if (steers) {
      // Not awaited: the client keeps the order, and bounds its queue.
      session.write(bytes).catch((error: unknown) => refused(terminal, error));
    } else if (bytes.includes(0x03)) {
      detach(); // Ctrl-C has no other use for a read-only viewer
    } else if (!hasNotified) {
      hasNotified = true;
      terminal.notice('only watching: keys are not sent. Ctrl-C ends; to type: binnacle attach --take');
    }
  };
  process.stdin.on('data', (chunk: Buffer) => {
    const typed = keys.push(chunk);
    send(typed.bytes);
    if (!typed.detached) return;
    detached = true;
    detach();
  });
  process.stdin.on('end', () => {
    send(keys.end());
    if (terminal.raw || !steers)
      detach(); // the terminal is gone
    else session.closeStdin().catch((error: unknown) => refused(terminal, error)); // Ctrl-D
  });
}

function feedStdin(session: Session, terminal: Terminal, closesStdin: boolean): void {
  feed(session, process.stdin)
    .then(() => (closesStdin ? session.closeStdin() : undefined))
    .catch((error: unknown) => refused(terminal, error));
}

/**
 * Handles keys that the terminal turns into signals: the first Ctrl-C goes to the program, the second ends this
 * command; Ctrl-\ detaches.
 */
function signalKeys(session: Session, terminal: Terminal, steers: boolean, detach: () => void): void {
  let interrupts = 0;
  terminal.onSignalKey((signal) => {
    if (signal === 'SIGQUIT' && process.stdin.isTTY) detach();
    else if (signal === 'SIGINT' && steers && interrupts++ === 0) {
      session.signal('SIGINT').catch((error: unknown) => refused(terminal, error));
    } else return false;
    return true;
  });
}

function refused(terminal: Terminal, error: unknown): void {
  // Keys typed at the very end arrive after the exit of the program: not worth a message.
  if (error instanceof BinnacleError && ['session_exited', 'stdin_closed', 'client_closed'].includes(error.code))
    return;
  terminal.notice(error instanceof Error ? error.message : String(error));
}

async function fitSize(session: Session, terminal: Terminal, info: SessionInfo): Promise<void> {
  const resize = (cols: number, rows: number): Promise<void> =>
    session.resize(cols, rows).catch((error: unknown) => refused(terminal, error));
  terminal.onResize(({ cols, rows }) => void resize(cols, rows));
  const size = terminalSize();
  if (size !== undefined && (size.cols !== info.cols || size.rows !== info.rows)) await resize(size.cols, size.rows);
}

/** Makes a full-screen program redraw by a change of size: the replay may lack parts of its screen. */
function redraw(session: Session, terminal: Terminal): void {
  const size = terminalSize();
  if (size === undefined || size.rows < 2 || !terminal.modes.fullScreen) return;
  session
    .resize(size.cols, size.rows - 1)
    .then(() => session.resize(size.cols, size.rows))
    .catch((error: unknown) => refused(terminal, error));
}

function noticeConnection(client: Binnacle, terminal: Terminal): () => void {
  let away = false;
  return client.on('state', (state) => {
    if (state.kind === 'waiting' && !away) {
      away = true;
      terminal.notice('the gateway does not answer; the program keeps running, and this command reconnects');
    } else if (state.kind === 'open' && away) {
      away = false;
      terminal.notice('reconnected');
    }
  });
}

/** Releases the lease. The lease expires when its holder is gone, so the wait for an unreachable gateway is short. */
async function letGo(session: Session): Promise<void> {
  const released = session.lease.release().catch((error: unknown) => {
    if (!(error instanceof BinnacleError)) throw error;
  });
  await Promise.race([released, new Promise((resolve) => setTimeout(resolve, RELEASE_MS))]);
  session.detach();
}
