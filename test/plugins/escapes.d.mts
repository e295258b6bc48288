// What the escape suite is made of, for the test that runs it.

export interface Probe {
  readonly name: string;
  readonly row: string;
  readonly open?: 'all' | 'network';
  readonly since?: number;
  readonly blank?: boolean;
  readonly mayDie?: boolean;
  readonly alone?: 'open';
}

export declare const PROBES: readonly Probe[];
export declare function attempt(
  name: string,
  facts: unknown,
): Promise<{ open: true; got: string } | { open: false; why: string }>;
