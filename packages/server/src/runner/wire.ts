// The messages between a gateway and a runner over their socket, and their framing. A runner outlives upgrades of the
// gateway: fields are only added, and both sides ignore unknown ones.

import type { RunId, RunInfo, RunRequest, SessionMode, SignalName, WireError } from '@binnacle/protocol';
import { FrameReader, WireFault } from '../base/frame-reader.ts';
import type { Head } from '../log/log.ts';
import type { EndingTimes } from '../process/termination.ts';

/**
 * Version of these messages. A gateway supports its own and the two before it. From version 2 on a hello names the data
 * directory.
 */
export const RUNNER_PROTOCOL = 2;

export interface HostedSpec {
  readonly id: string;
  /** Directory of its log and its exit record; the gateway creates it. */
  readonly dir: string;
  /**
   * The same directory relative to the data directory, which may be moved while the program runs. Older runners use
   * only `dir`.
   */
  readonly place?: string;
  readonly mode: SessionMode;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
  /** True for an interactive shell: an interrupt goes to its job and never to the shell. */
  readonly isShell: boolean;
  /** True for a bash that takes runs; `argv` is only what is shown. */
  readonly takesRuns?: boolean;
  readonly segmentBytes: number;
  readonly retainBytes: number;
  readonly retainMs: number;
  readonly maxInputBytes: number;
  readonly maxQueuedRuns?: number;
  readonly maxEndedRuns?: number;
}

export interface HostedStatus {
  readonly id: string;
  readonly state: 'running' | 'exited' | 'closed';
  /** Null for a foreign program, never from a runner. */
  readonly pid: number | null;
  readonly epoch: string;
  readonly head: Head;
  readonly oldest: Head;
  readonly synced: Head;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly exitedAt: number | null;
  readonly cols: number;
  readonly rows: number;
  readonly fence: number;
  readonly stalled: 'disk_full' | null;
  /** Null if it takes no runs. */
  readonly runs: RunsStatus | null;
}

export interface RunsStatus {
  readonly current: RunId | null;
  readonly queued: number;
}

/** The author of a write. The runner compares the fence with the highest one that the program has seen. */
export interface FencedWriter {
  readonly fence: number;
  readonly by: string;
}

export type ToRunner =
  /** `directory`: identity of the gateway's data directory. Older gateways leave it out. */
  | { readonly t: 'hello'; readonly token: string; readonly protocol: number; readonly directory?: string }
  | ({ readonly ref: number } & RunnerRequest)
  /**
   * Requests `grew` once the log is beyond `place`: by `atLeast` bytes, or by less after `withinMs`. Then again beyond
   * the reported head, `reports` times in all; older runners report once. Replaces an earlier `watch`.
   */
  | {
      readonly t: 'watch';
      readonly id: string;
      readonly place: number;
      readonly atLeast: number;
      readonly withinMs: number;
      readonly reports?: number;
    };

export type RunnerRequest =
  | { readonly t: 'start'; readonly spec: HostedSpec }
  /** The bytes are the payload of the frame. */
  | {
      readonly t: 'input';
      readonly id: string;
      readonly writer: FencedWriter;
      readonly client?: string;
      readonly n?: number;
    }
  | { readonly t: 'close_input'; readonly id: string; readonly writer: FencedWriter }
  | { readonly t: 'signal'; readonly id: string; readonly writer: FencedWriter; readonly signal: SignalName }
  | {
      readonly t: 'resize';
      readonly id: string;
      readonly writer: FencedWriter;
      readonly cols: number;
      readonly rows: number;
    }
  /** Refuses writers with a lower fence from now on. */
  | { readonly t: 'fence'; readonly id: string; readonly fence: number }
  | {
      readonly t: 'run';
      readonly id: string;
      readonly writer: FencedWriter;
      readonly run: RunId;
      readonly request: RunRequest;
    }
  /** The reply comes after the run has ended. */
  | { readonly t: 'cancel_run'; readonly id: string; readonly writer: FencedWriter; readonly run: string }
  | { readonly t: 'processes'; readonly id: string }
  | { readonly t: 'end'; readonly id: string; readonly times?: EndingTimes }
  | { readonly t: 'trim'; readonly id: string; readonly maxBytes: number }
  | { readonly t: 'list' }
  | { readonly t: 'status'; readonly id: string }
  /** Exits as soon as no program is left. */
  | { readonly t: 'retire' };

export type FromRunner =
  | {
      readonly t: 'hello';
      readonly protocol: number;
      readonly programs: readonly HostedStatus[];
      /** Identity of the data directory in which the runner was started. Older runners leave it out. */
      readonly directory?: string;
    }
  /** In place of a hello: the gateway has another data directory. The connection ends after it. */
  | { readonly t: 'refused'; readonly directory: string }
  | { readonly t: 'reply'; readonly ref: number; readonly result?: unknown; readonly error?: WireError }
  /** `left`: reports that are still to come for this `watch`. Older runners leave it out: none. */
  | { readonly t: 'grew'; readonly id: string; readonly head: Head; readonly oldest: Head; readonly left?: number }
  | { readonly t: 'changed'; readonly status: HostedStatus }
  | { readonly t: 'ran'; readonly id: string; readonly run: RunInfo; readonly runs: RunsStatus | null };

export interface RunnerReceipt {
  readonly accepted: number;
  readonly duplicate: boolean;
  readonly queued: number;
  /**
   * Set on a duplicate: the message with this number had no bytes, so it was refused then, see sessions/input-hooks.ts.
   */
  readonly wasEmpty?: boolean;
}

/** Maximum bytes per frame. A message contains at most one input (1 MiB by default) and its envelope. */
const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** Encodes a frame: u32 length of the rest, u32 length of the JSON, the JSON, the payload. Big-endian. */
export function encodeRunnerFrame(message: ToRunner | FromRunner, payload: Uint8Array = NOTHING): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const frame = Buffer.allocUnsafe(8 + json.length + payload.length);
  frame.writeUInt32BE(4 + json.length + payload.length, 0);
  frame.writeUInt32BE(json.length, 4);
  json.copy(frame, 8);
  frame.set(payload, 8 + json.length);
  return frame;
}

/** Reads frames. Both ends are part of Binnacle, so an invalid frame, which throws, ends the connection. */
export const runnerFrameReader = <T>(onFrame: (message: T, payload: Buffer) => void): FrameReader =>
  new FrameReader(MAX_FRAME_BYTES, (bytes, start, end) => {
    const jsonStart = start + 4;
    const jsonEnd = jsonStart + (jsonStart > end ? 0 : bytes.readUInt32BE(start));
    if (jsonEnd > end) throw new WireFault('The JSON of a frame is longer than the frame.');
    onFrame(JSON.parse(bytes.toString('utf8', jsonStart, jsonEnd)) as T, bytes.subarray(jsonEnd, end));
  });
