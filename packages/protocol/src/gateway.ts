// Facts that a gateway gives about itself and about its machine.

export interface GatewayInfo {
  /** Version of the gateway. */
  readonly version: string;
  /** `PROTOCOL_VERSION` of the gateway. */
  readonly protocol: number;
  /** Whether programs can be started in a terminal, and where not, why and what to do about it. */
  readonly terminals: { readonly available: true } | ({ readonly available: false } & TerminalProblem);
}

export interface TerminalProblem {
  readonly code: 'pty_unavailable';
  readonly message: string;
  readonly hint: string;
}
