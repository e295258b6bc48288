// The list of sessions as a store for components, and its filter. Knows no React.

import { BinnacleError, type SessionInfo, type SessionMode } from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import { KnownSessions } from '../../session/session-list.ts';
import type { Watch, WatchEvent } from '../../session/watch.ts';
import { asError } from '../result.ts';
import { SnapshotStore } from './store.ts';

/** State of the list of sessions, as components see it. */
export interface SessionsSnapshot {
  /** State of the watch. */
  readonly state: 'connecting' | 'live' | 'reconnecting' | 'failed';
  /** Sessions, newest first. While connecting, those that have arrived; while reconnecting, the last known. */
  readonly sessions: readonly SessionInfo[];
  /** Why the watch failed. */
  readonly error: BinnacleError | undefined;
}

export const NO_SESSIONS_YET: SessionsSnapshot = { state: 'connecting', sessions: [], error: undefined };

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
    const text = [info.name, ...info.argv, info.foreign?.sessionId ?? ''].join('\n').toLowerCase();
    return terms.every((word) => text.includes(word));
  });
}

const hasLabel = (info: SessionInfo, label: string): boolean =>
  Object.entries(info.labels).some(([key, value]) => label === key || label === `${key}=${value}`);

export class SessionListStore extends SnapshotStore<SessionsSnapshot> {
  readonly #client: Binnacle;
  readonly #known = new KnownSessions();
  #unlisten: (() => void) | undefined;
  #watch: Watch | undefined;
  #isChanged = false;

  constructor(client: Binnacle) {
    super(NO_SESSIONS_YET);
    this.#client = client;
  }

  begin(): void {
    this.#unlisten = this.#client.on('state', ({ kind }) => {
      // Live again with the next list, not with the connection.
      if (kind !== 'open' && this.latest.state === 'live') this.change({ state: 'reconnecting' });
    });
    this.#run().catch((cause: unknown) => this.change({ state: 'failed', error: asError(cause) }));
  }

  protected stop(): void {
    this.#unlisten?.();
    this.#watch?.stop();
  }

  protected override settle(state: SessionsSnapshot): SessionsSnapshot {
    if (!this.#isChanged) return state;
    this.#isChanged = false;
    return { ...state, sessions: this.#known.sessions };
  }

  async #run(): Promise<void> {
    const watch = this.#client.watch();
    this.#watch = watch;
    for await (const event of watch) {
      if (this.isOver) return;
      this.#apply(event);
    }
    if (!this.isOver) throw new BinnacleError('client_closed');
  }

  #apply(event: WatchEvent): void {
    this.#isChanged = true;
    this.#known.apply(event);
    this.change(event.type === 'list' && event.isLast ? { state: 'live' } : {});
  }
}
