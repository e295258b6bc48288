// Which frames of /v1/ws guests of share links may send. What a frame names is looked up as they see it, like anybody's.

import { BinnacleError, type ClientFrame } from '@binnacle/protocol';

/** Every frame is on it, so that a new one is decided on. Those that write take the scope `input` as well. */
const FRAMES: Readonly<Record<ClientFrame['t'], boolean>> = {
  ping: true,
  pong: true,
  subscribe: true,
  unsubscribe: true,
  /** Tells of what one may see: of what was shared. */
  watch: true,
  watch_conversations: true,
  /** How many; not who. */
  watch_watchers: true,
  input: true,
  resize: true,
  lease: true,
  follow: true,
  unfollow: true,
  send: true,
  /** Typing has its own keys for these; the rest of what they do is more than typing. */
  signal: false,
  close_stdin: false,
  abort: false,
  answer: false,
  watch_notices: false,
  /** Nobody notifies them. */
  look: false,
};

/** Names of the frames that guests may send. */
export const GUEST_FRAMES: readonly string[] = Object.entries(FRAMES).flatMap(([t, isFree]) => (isFree ? [t] : []));

/** Throws `not_found`. */
export function assertGuestFrame({ t }: ClientFrame): void {
  if (!FRAMES[t]) throw new BinnacleError('not_found', { message: 'There is no such frame here.' });
}
