// Scopes that the frames of /v1/ws need: the one list for the socket that checks them and the document that names them.

import type { ClientFrame, Scope } from '@binnacle/protocol';

/** Scope by frame. Names every frame, so that a new frame does not compile without a scope. */
export const FRAME_SCOPES: Readonly<Record<ClientFrame['t'], Scope>> = {
  ping: 'view',
  pong: 'view',
  subscribe: 'view',
  unsubscribe: 'view',
  watch: 'view',
  watch_conversations: 'view',
  watch_notices: 'view',
  watch_watchers: 'view',
  look: 'view',
  follow: 'view',
  unfollow: 'view',
  input: 'input',
  close_stdin: 'input',
  signal: 'input',
  resize: 'input',
  lease: 'input',
  send: 'input',
  abort: 'input',
  answer: 'input',
};
