/**
 * The client as React hooks and two components. Opens nothing that the client does not open: one socket for all
 * components, and one reading of each session.
 *
 * @module @binnacle/client/react
 */

'use client';

export { SessionLog, type SessionLogProps } from './components/session-log.tsx';
export { SessionTerminal, type SessionTerminalProps } from './components/session-terminal.tsx';
export { BinnacleProvider, type BinnacleProviderProps, useBinnacle } from './hooks/provider.tsx';
export { type ConversationActions, type UsedConversation, useConversation } from './hooks/use-conversation.ts';
export { type ConversationListOptions, type UsedConversations, useConversations } from './hooks/use-conversations.ts';
export { useNotices } from './hooks/use-notices.ts';
export { usePresence } from './hooks/use-presence.ts';
export { type LeaseControl, type SessionActions, type UsedSession, useSession } from './hooks/use-session.ts';
export { type LinesOptions, useSessionLines } from './hooks/use-session-lines.ts';
export {
  type MakeTerminal,
  type MountedTerminal,
  type UsedSessionTerminal,
  useSessionTerminal,
} from './hooks/use-session-terminal.ts';
export { type SessionListOptions, useSessions } from './hooks/use-sessions.ts';
export { useTraffic } from './hooks/use-traffic.ts';
export type { Chunk, ChunkList } from './log/chunks.ts';
export { type LogLine, textOfLines } from './log/lines.ts';
export type { Result } from './result.ts';
export type { ConversationOptions, ConversationSnapshot } from './stores/conversation.ts';
export type { ConversationsSnapshot } from './stores/conversations.ts';
export type { ForeignReport } from './stores/foreign.ts';
export type { ListSnapshot } from './stores/list.ts';
export type { NoticesSnapshot } from './stores/notices.ts';
export type { FollowState, SessionOptions, SessionSnapshot, SessionStart } from './stores/session.ts';
export type { LeaseReport, LeaseSnapshot } from './stores/session-lease.ts';
export type { SessionFilter, SessionsSnapshot } from './stores/sessions.ts';
export type { TrafficOptions, TrafficSnapshot } from './stores/traffic.ts';
export type { DrawingOptions, DrawingState } from './terminal/drawing.ts';
