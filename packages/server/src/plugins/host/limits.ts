// Limits of a plugin. Each is an option of the operator; the plugin sets none.

export interface PluginLimits {
  /** Maximum resident memory of all its processes together. */
  readonly memoryBytes: number;
  /** Maximum time from the launch until its entry is loaded. */
  readonly startMs: number;
  /** Maximum time of a call to the gateway. */
  readonly callMs: number;
  /** Maximum time of the few calls that bring their own limit, such as running a program. */
  readonly longCallMs: number;
  /** Maximum calls that wait for an answer, in each direction. */
  readonly maxInFlight: number;
  /** Maximum bytes of the plugin's calls that wait for an answer. */
  readonly maxInFlightBytes: number;
  /**
   * Maximum calls per second in the long run. Above that the gateway stops reading until the rate is below the limit
   * again: back-pressure.
   */
  readonly callsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Maximum values per message, whatever their size. */
  readonly maxValues: number;
  /** Maximum object keys per message: each costs as much as ten values. */
  readonly maxKeys: number;
  /** Maximum bytes that were sent to the plugin and that it has not read. */
  readonly maxUnreadBytes: number;
  /** Interval between pings. */
  readonly pingMs: number;
  /** Maximum time without a sign of life. The process is then ended. */
  readonly silentMs: number;
  /** Maximum time to end after a request to stop. */
  readonly graceMs: number;
  /** Maximum bytes per second on stdout and stderr, in the long run. The excess is counted and dropped. */
  readonly outputBytesPerSecond: number;
  readonly restarts: number;
  readonly restartWindowMs: number;
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
  restartWindowMs: 10 * 60_000,
};
