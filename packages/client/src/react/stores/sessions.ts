// The list of sessions as a store for components, and its filter. Knows no React.

import type { SessionInfo, SessionMode } from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import { KnownSessions } from '../../session/session-list.ts';
import type { Watch, WatchEvent } from '../../session/watch.ts';
import { type ListSnapshot, ListStore } from './list.ts';

/** State of the list of sessions, as components see it. */
export interface SessionsSnapshot extends ListSnapshot {
  /** Sessions, newest first. While connecting, those that have arrived; while reconnecting, the last known. */
  readonly sessions: readonly SessionInfo[];
  /** Whether a whole list has arrived, maybe before the connection was lost. */
  readonly isWhole: boolean;
}

export const NO_SESSIONS_YET: SessionsSnapshot = {
  state: 'connecting',
  sessions: [],
  isWhole: false,
  error: undefined,
};

/** Filter of `useSessions`. All given fields must match. */
export interface SessionFilter {
  /** `true`: starting or running; `false`: neither. */
  readonly running?: boolean;
  /** `pty` or `pipe`. */
  readonly mode?: SessionMode;
  /** `true`: programs that run elsewhere; `false`: those of the gateway. */
  readonly foreign?: boolean;
  /** Source of programs that run elsewhere. */
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** Words that all occur in the name, the command or the emitter's id, in any case. */
  readonly text?: string;
}

export function matching(sessions: readonly SessionInfo[], filter: SessionFilter): readonly SessionInfo[] {
  const terms = (filter.text ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const { running, mode, foreign, source, label } = filter;
  return sessions.filter((info) => {
    if (running !== undefined && running !== (info.state === 'running' || info.state === 'starting')) return false;
    if (mode !== undefined && info.mode !== mode) return false;
    if (foreign !== undefined && foreign !== (info.foreign !== null)) return false;
    if (source !== undefined && info.foreign?.source !== source) return false;
    if (label !== undefined && !hasLabel(info, label)) return false;
    if (terms.length === 0) return true;
    const text = [info.name, ...info.argv, info.foreign?.sessionId ?? ''].join('\n').toLowerCase();
    return terms.every((word) => text.includes(word));
  });
}

const hasLabel = (info: SessionInfo, label: string): boolean =>
  Object.entries(info.labels).some(([key, value]) => label === key || label === `${key}=${value}`);

export class SessionListStore extends ListStore<SessionsSnapshot, WatchEvent> {
  readonly #isShared: boolean;
  readonly #known = new KnownSessions();
  #isChanged = false;

  /** `isShared`: the sessions that a share link shows, for its guest. */
  constructor(client: Binnacle, isShared: boolean) {
    super(client, NO_SESSIONS_YET);
    this.#isShared = isShared;
  }

  protected watch(): Watch {
    return this.#isShared ? this.client.watchShared() : this.client.watch();
  }

  protected apply(event: WatchEvent): boolean {
    this.#isChanged = true;
    this.#known.apply(event);
    return event.type === 'list' && event.isLast;
  }

  protected override settle(state: SessionsSnapshot): SessionsSnapshot {
    if (!this.#isChanged) return state;
    this.#isChanged = false;
    return { ...state, sessions: this.#known.sessions, isWhole: this.#known.isWhole };
  }
}
