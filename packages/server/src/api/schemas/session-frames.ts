// Types of the frames that the gateway sends over /ws/session/:id.

import type { SessionMode } from '@binnacle/protocol';

export type ServerFrame =
  /** `offset`, here and below: the `since` with which a client continues after this frame. */
  | { readonly type: 'connected'; readonly session_id: string; readonly mode: SessionMode; readonly offset: number }
  | { readonly type: 'stdout' | 'stderr'; readonly offset: number; readonly data: string }
  | { readonly type: 'replay'; readonly offset: number; readonly data: string }
  | { readonly type: 'exit'; readonly exit_code: number }
  | {
      readonly type: 'error';
      readonly code: string;
      readonly error: string;
      readonly from?: number;
      readonly to?: number;
      readonly offset?: number;
    }
  | { readonly type: 'ping' | 'pong' };
