// Frames of /v1/ws that guests of share links may send. Ids in a frame are looked up with the guest's access, as for
// any principal.

import { BinnacleError, type ClientFrame } from '@binnacle/protocol';

/**
 * Permission by frame. Names every frame, so that a new frame needs a decision. Frames that write also need the scope
 * `input`.
 */
const FRAMES: Readonly<Record<ClientFrame['t'], boolean>> = {
  ping: true,
  pong: true,
  subscribe: true,
  unsubscribe: true,
  /** Reports changes of visible sessions: only of the shared one. */
  watch: true,
  watch_conversations: true,
  /** Reports the number of watchers, not their names. */
  watch_watchers: true,
  input: true,
  resize: true,
  lease: true,
  follow: true,
  unfollow: true,
  send: true,
  /** Typing has its own keys for these; their other effects are more than typing. */
  signal: false,
  close_stdin: false,
  abort: false,
  answer: false,
  watch_notices: false,
  /** Guests get no notifications. */
  look: false,
};

/** Names of the frames that guests may send. */
export const GUEST_FRAMES: readonly string[] = Object.entries(FRAMES).flatMap(([t, isFree]) => (isFree ? [t] : []));

/** Throws `not_found`. */
export function assertGuestFrame({ t }: ClientFrame): void {
  if (!FRAMES[t]) throw new BinnacleError('not_found', { message: 'There is no such frame here.' });
}
