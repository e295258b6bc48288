// Facts about a gateway and its machine.

/** A gateway and its abilities. */
export interface GatewayInfo {
  /** Version of the gateway. */
  readonly version: string;
  /** The gateway's `PROTOCOL_VERSION`. */
  readonly protocol: number;
  /** Whether programs can be started in a terminal, and if not, why and what to do. */
  readonly terminals: { readonly available: true } | ({ readonly available: false } & TerminalProblem);
}

/** Why programs cannot be started in a terminal. */
export interface TerminalProblem {
  /** Code, to branch on. */
  readonly code: 'pty_unavailable';
  /** Text for people. */
  readonly message: string;
  /** Remedy, for people. */
  readonly hint: string;
}
