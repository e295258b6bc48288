// A bash that takes runs, as a runner hosts it: real processes and FIFOs, a log in memory.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BinnacleError,
  type EntryKind,
  type Epoch,
  isOutput,
  type RunId,
  type RunInfo,
  type RunRequest,
  type SessionMode,
} from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { MemoryLog } from '../log/memory-log.fixture.ts';
import { Fifos } from '../process/fifos.ts';
import { PtyLoader } from '../process/native-pty.ts';
import { pipeStarter } from '../process/pipe.ts';
import { ptyStarter, READ_BYTES } from '../process/pty.ts';
import { HostedProgram } from './hosted-program.ts';

export interface Ran {
  readonly info: RunInfo;
  /** What stands between its two entries in the log. */
  readonly stdout: string;
  readonly stderr: string;
  readonly tty: string;
}

export interface RunShell {
  readonly hosted: HostedProgram;
  readonly dir: string;
  run(command: string, request?: Partial<RunRequest>): Promise<Ran>;
  /** Resolves when the run is accepted. */
  submit(command: string, request?: Partial<RunRequest>): RunInfo;
  ended(id: string): Promise<Ran>;
  /** Resolves when the run has begun. */
  begun(id: string): Promise<RunInfo>;
  cancel(id: string): Promise<RunInfo>;
  type(text: string): void;
  /** Throws `no_job`. */
  interrupt(): void;
  entries(): readonly { readonly kind: EntryKind; readonly offset: number; readonly text: string }[];
  /** All that was shown. */
  readonly shown: string;
  close(): Promise<void>;
}

const BY = { fence: 0, by: 'test' };

export async function openRunShell(mode: SessionMode, env: Record<string, string> = {}): Promise<RunShell> {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-runs-'));
  const fifos = new Fifos(dir);
  await fifos.fill();
  const id = uuidv7();
  const home = join(dir, id);
  mkdirSync(home);
  const log = new MemoryLog({ epoch: 'test' as Epoch });
  const infos = new Map<string, RunInfo>();
  const waiters = new Set<() => void>();
  const hosted = new HostedProgram(
    {
      id,
      dir: home,
      mode,
      argv: ['/bin/bash'],
      cwd: '/',
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        TERM: 'xterm-256color',
        BINNACLE_SESSION: id,
        LANG: 'C.UTF-8',
        ...env,
      },
      cols: 80,
      rows: 24,
      isShell: true,
      takesRuns: true,
      segmentBytes: 1e9,
      retainBytes: 1e9,
      retainMs: 1e9,
      maxInputBytes: 1024 * 1024,
      maxQueuedRuns: 64,
      maxEndedRuns: 20,
    },
    log,
    {
      grew: () => undefined,
      changed: () => undefined,
      ran: (_hosted, run) => {
        infos.set(run.id, run);
        for (const wake of [...waiters]) wake();
      },
    },
  );
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  await hosted.start(mode === 'pty' ? ptyStarter(buffer, new PtyLoader()) : pipeStarter(fifos, buffer), fifos);
  const when = (runId: string, is: (run: RunInfo) => boolean): Promise<RunInfo> =>
    new Promise((resolve) => {
      const check = () => {
        const run = infos.get(runId);
        if (run === undefined || !is(run)) return;
        waiters.delete(check);
        resolve(run);
      };
      waiters.add(check);
      check();
    });
  const entries = () => {
    const found: { kind: EntryKind; offset: number; text: string }[] = [];
    let at = { epoch: log.epoch, place: 0, offset: 0 };
    while (true) {
      const reading = log.read(at);
      if (reading instanceof Promise || reading.kind !== 'page') return found;
      for (const { kind, offset, bytes } of reading.page.entries) {
        found.push({ kind, offset, text: Buffer.from(bytes).toString('latin1') });
      }
      at = reading.page.next as typeof at;
    }
  };
  const shell: RunShell = {
    hosted,
    dir: home,
    submit: (command, request = {}) => hosted.run((request.id ?? uuidv7()) as RunId, { command, ...request }, BY),
    begun: (runId) => when(runId, ({ state }) => state !== 'queued'),
    ended: async (runId) => {
      const info = await when(runId, ({ state }) => state === 'ended');
      const out = { stdout: '', stderr: '', tty: '' };
      let isInside = false;
      for (const { kind, text } of entries()) {
        if (isOutput(kind)) {
          if (isInside) out[kind] += text;
        } else if (kind === 'event') {
          const event = JSON.parse(Buffer.from(text, 'latin1').toString()) as { type: string; run?: RunInfo };
          if (event.run?.id === runId) isInside = event.type === 'run_started';
        }
      }
      const decode = (text: string) => Buffer.from(text, 'latin1').toString();
      return { info, stdout: decode(out.stdout), stderr: decode(out.stderr), tty: decode(out.tty) };
    },
    run: (command, request) => shell.ended(shell.submit(command, request).id),
    cancel: (runId) => hosted.cancelRun(runId, BY),
    type: (text) => void hosted.write(Buffer.from(text), BY),
    interrupt: () => hosted.signal('SIGINT', BY),
    entries,
    get shown() {
      return entries()
        .filter(({ kind }) => isOutput(kind))
        .map(({ text }) => text)
        .join('');
    },
    close: async () => {
      if (!hosted.isClosed) await hosted.end({ hupMs: 50, termMs: 200 });
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return shell;
}

export const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof BinnacleError) return error.code;
    throw error;
  }
  return 'done';
};
