'use client';
// @binnacle/client/react: what the client has, as hooks and as two components. Opens nothing that the client does not.

export type { Chunk, ChunkList } from './chunks.ts';
export type { ConversationOptions, ConversationSnapshot } from './conversation-follow.ts';
export { type LogLine, textOfLines } from './log-lines.ts';
export { BinnacleProvider, type BinnacleProviderProps, useBinnacle } from './provider.tsx';
export type { Result } from './result.ts';
export type { FollowState, SessionOptions, SessionSnapshot } from './session-follow.ts';
export { SessionLog, type SessionLogProps } from './session-log.tsx';
export { SessionTerminal, type SessionTerminalProps } from './session-terminal.tsx';
export type { SessionFilter, SessionsSnapshot } from './sessions-follow.ts';
export type { TrafficOptions, TrafficSnapshot } from './traffic-follow.ts';
export { type ConversationActions, type UsedConversation, useConversation } from './use-conversation.ts';
export { type SessionActions, type SessionHelm, type UsedSession, useSession } from './use-session.ts';
export { type LinesOptions, useSessionLines } from './use-session-lines.ts';
export { useSessions } from './use-sessions.ts';
export { useTraffic } from './use-traffic.ts';
