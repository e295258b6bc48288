/**
 * Types, frames, positions and error codes that a gateway and its clients exchange. PROTOCOL.md describes how they are
 * used.
 *
 * @module @binnacle/protocol
 */

export * from './codec.ts';
export * from './codes.ts';
export * from './command.ts';
export * from './conversation.ts';
export type { Answer, AnswerPart } from './conversation-answer.ts';
export * from './conversation-fold.ts';
export * from './conversation-state.ts';
export * from './defined.ts';
export * from './entry.ts';
export { type EscapeHandlers, type EscapeOptions, EscapeParser, type SequenceEnd } from './escapes/parser.ts';
export * from './escapes/sequence.ts';
export type { C1Form } from './escapes/table.ts';
export * from './frames.ts';
export * from './gateway.ts';
export * from './hidden-characters.ts';
export * from './plugins.ts';
export * from './position.ts';
export * from './recording.ts';
export * from './run.ts';
export * from './session.ts';
export * from './silence.ts';
export * from './single-line.ts';
export * from './steady-clock.ts';
export * from './traffic.ts';

/**
 * Version of the protocol. It grows when an older peer could misread a newer one. The head of PROTOCOL.md says what
 * each side does with what it does not know.
 */
export const PROTOCOL_VERSION = 1;
