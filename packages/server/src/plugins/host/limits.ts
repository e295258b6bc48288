// How much a plugin may use. Every number is an option of the operator; none is the plugin's.

export interface PluginLimits {
  /** Resident memory of all its processes together. */
  readonly memoryBytes: number;
  /** From the launch until its entry is loaded. */
  readonly startMs: number;
  /** For what it asks of us. */
  readonly callMs: number;
  /** For those few of them that say how long they may take, as running a program does. */
  readonly longCallMs: number;
  /** Calls that wait for an answer, each way. */
  readonly maxInFlight: number;
  /** Of the calls that it waits for. */
  readonly maxInFlightBytes: number;
  /** Calls a second in the long run; beyond it we read no more until it is under it again. */
  readonly callsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Values in one message, whatever their size, */
  readonly maxValues: number;
  /** and keys of objects: each costs as much as ten values. */
  readonly maxKeys: number;
  /** What it has not read of what we sent. */
  readonly maxUnreadBytes: number;
  /** It is asked for a sign of life so often, */
  readonly pingMs: number;
  /** and is ended after so long without one. */
  readonly silentMs: number;
  /** After it was asked to stop. */
  readonly graceMs: number;
  /** What it writes to stdout and stderr, in bytes a second in the long run; what is beyond it is counted and dropped. */
  readonly outputBytesPerSecond: number;
  readonly restarts: number;
  readonly restartsWithinMs: number;
}

const MIB = 1024 * 1024;

export const PLUGIN_LIMITS: PluginLimits = {
  memoryBytes: 256 * MIB,
  startMs: 10_000,
  callMs: 10_000,
  longCallMs: 11 * 60_000,
  maxInFlight: 64,
  maxInFlightBytes: 8 * MIB,
  callsPerSecond: 5000,
  bytesPerSecond: 16 * MIB,
  maxValues: 20_000,
  maxKeys: 5000,
  maxUnreadBytes: 8 * MIB,
  pingMs: 500,
  silentMs: 2000,
  graceMs: 1000,
  outputBytesPerSecond: 64 * 1024,
  restarts: 5,
  restartsWithinMs: 10 * 60_000,
};
