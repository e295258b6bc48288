// When to connect, when to wait and when to stop for good: pure transitions. Knows no socket, timer or clock.

import { afterClose, CODES, type Code } from '@binnacle/protocol';

/**
 * The life of the one connection. `generation` names the socket or timer that a state waits for: an event of an
 * older one changes nothing, so a late callback cannot bring a finished connection back.
 */
export type Link =
  /** No participant needs a connection. */
  | { readonly kind: 'idle'; readonly generation: number; readonly failures: number }
  | { readonly kind: 'connecting'; readonly generation: number; readonly failures: number; readonly isNeeded: boolean }
  | {
      readonly kind: 'open';
      readonly generation: number;
      readonly failures: number;
      readonly isNeeded: boolean;
      /** Milliseconds, of the clock that `now` comes from. */
      readonly since: number;
    }
  | {
      readonly kind: 'waiting';
      readonly generation: number;
      readonly failures: number;
      readonly retryInMs: number;
    }
  | { readonly kind: 'stopped'; readonly generation: number; readonly code: Code };

export type LinkEvent =
  /** The first participant needs a connection. */
  | { readonly kind: 'want' }
  /** The last participant has left. An open connection stays, a lost one is not made again. */
  | { readonly kind: 'unwant' }
  /** The gateway said hello. */
  | { readonly kind: 'opened'; readonly generation: number }
  /** The socket closed. `code`: the failure that the gateway had named before, if it did. */
  | { readonly kind: 'closed'; readonly generation: number; readonly closeCode: number; readonly code: Code | null }
  /** The gateway does not let us in, and said why. */
  | { readonly kind: 'refused'; readonly generation: number; readonly code: Code }
  /** We found it dead or wrong, and let it go. */
  | { readonly kind: 'broken'; readonly generation: number }
  | { readonly kind: 'timer'; readonly generation: number }
  /** The network or the page is back: waiting longer has no use. */
  | { readonly kind: 'wake' }
  | { readonly kind: 'stop'; readonly code: Code }
  /** Somebody logged in after a stop. The only way out of `stopped`, and there is none after a close by the user. */
  | { readonly kind: 'restart'; readonly isNeeded: boolean };

export type LinkAction =
  | { readonly kind: 'open'; readonly generation: number }
  | { readonly kind: 'wait'; readonly generation: number; readonly ms: number }
  /** Let go of the socket. */
  | { readonly kind: 'drop' }
  /** Forget the timer. */
  | { readonly kind: 'cancel' };

export interface Step {
  readonly state: Link;
  readonly actions: readonly LinkAction[];
}

export interface Backoff {
  /** Longest first wait, ms. */
  readonly baseMs: number;
  /** Longest wait, ms. */
  readonly capMs: number;
  /** A connection that lived longer than this (ms) was a good one: waits begin at the base again. */
  readonly steadyMs: number;
}

/** A restart of the gateway takes about a second; at 10 s, a thousand waiting pages make 200 attempts a second. */
export const BACKOFF: Backoff = { baseMs: 250, capMs: 10_000, steadyMs: 10_000 };

export const FIRST: Link = { kind: 'idle', generation: 0, failures: 0 };

/** Full jitter: anything from 0 to the doubled base, so that many clients do not come back in step. */
export const backoffDelay = (failures: number, random: number, backoff: Backoff): number =>
  random * Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(failures, 30));

/** `random`: from 0 to 1, used for one wait. */
export function step(state: Link, event: LinkEvent, now: number, random: number, backoff: Backoff = BACKOFF): Step {
  if (state.kind === 'stopped') {
    if (event.kind !== 'restart' || state.code === 'client_closed') return stay(state);
    const idle: Link = { kind: 'idle', generation: state.generation, failures: 0 };
    return event.isNeeded ? connect(idle) : stay(idle);
  }
  switch (event.kind) {
    case 'want':
      if (state.kind === 'idle') return connect(state);
      return state.kind === 'waiting' ? stay(state) : stay({ ...state, isNeeded: true });
    case 'unwant':
      if (state.kind === 'idle') return stay(state);
      if (state.kind === 'waiting') return { state: rest(state), actions: [{ kind: 'cancel' }] };
      return stay({ ...state, isNeeded: false });
    case 'opened':
      if (state.kind !== 'connecting' || state.generation !== event.generation) return stay(state);
      return stay({ ...state, kind: 'open', since: now });
    case 'closed':
      if (!hasSocket(state) || state.generation !== event.generation) return stay(state);
      if (afterClose(event.closeCode) === 'stop')
        return stay(stopped(state, event.code ?? codeOfClose(event.closeCode)));
      return lose(state, [], now, random, backoff);
    case 'refused':
      if (!hasSocket(state) || state.generation !== event.generation) return stay(state);
      if (isFinal(event.code)) return { state: stopped(state, event.code), actions: [{ kind: 'drop' }] };
      return lose(state, [{ kind: 'drop' }], now, random, backoff);
    case 'broken':
      if (!hasSocket(state) || state.generation !== event.generation) return stay(state);
      return lose(state, [{ kind: 'drop' }], now, random, backoff);
    case 'timer':
      if (state.kind !== 'waiting' || state.generation !== event.generation) return stay(state);
      return connect(state);
    case 'wake':
      return state.kind === 'waiting' ? connect(state, [{ kind: 'cancel' }]) : stay(state);
    case 'stop': {
      const actions: LinkAction[] = [];
      if (hasSocket(state)) actions.push({ kind: 'drop' });
      if (state.kind === 'waiting') actions.push({ kind: 'cancel' });
      return { state: stopped(state, event.code), actions };
    }
    case 'restart':
      return stay(state);
  }
}

type Alive = Exclude<Link, { kind: 'stopped' }>;
type WithSocket = Extract<Link, { kind: 'connecting' | 'open' }>;

const hasSocket = (state: Link): state is WithSocket => state.kind === 'connecting' || state.kind === 'open';
const stay = (state: Link): Step => ({ state, actions: [] });
const rest = (state: Alive): Link => ({ kind: 'idle', generation: state.generation, failures: state.failures });
const stopped = (state: Alive, code: Code): Link => ({ kind: 'stopped', generation: state.generation, code });

function connect(state: Alive, before: readonly LinkAction[] = []): Step {
  const generation = state.generation + 1;
  return {
    state: { kind: 'connecting', generation, failures: state.failures, isNeeded: true },
    actions: [...before, { kind: 'open', generation }],
  };
}

function lose(state: WithSocket, before: readonly LinkAction[], now: number, random: number, backoff: Backoff): Step {
  const lived = state.kind === 'open' && now - state.since > backoff.steadyMs;
  const failures = lived ? 0 : state.failures;
  if (!state.isNeeded) return { state: { ...rest(state), failures } as Link, actions: before };
  const generation = state.generation + 1;
  const retryInMs = backoffDelay(failures, random, backoff);
  return {
    state: { kind: 'waiting', generation, failures: failures + 1, retryInMs },
    actions: [...before, { kind: 'wait', generation, ms: retryInMs }],
  };
}

/** A gateway that fails (5xx) may be a gateway that starts; only a clear refusal is for good. */
const isFinal = (code: Code): boolean => !CODES[code].retry && CODES[code].status < 500;

function codeOfClose(closeCode: number): Code {
  if (closeCode === 4003) return 'unauthorized';
  const found = Object.entries(CODES).find(([, row]) => 'close' in row && row.close === closeCode);
  return (found?.[0] as Code | undefined) ?? 'protocol_error';
}
