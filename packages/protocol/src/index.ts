export * from './codec.ts';
export * from './codes.ts';
export * from './command.ts';
export * from './conversation.ts';
export * from './entry.ts';
export * from './frames.ts';
export * from './gateway.ts';
export * from './hidden-characters.ts';
export * from './notices.ts';
export * from './plugins.ts';
export * from './position.ts';
export * from './recording.ts';
export * from './run.ts';
export * from './session.ts';
export * from './silence.ts';
export * from './steady-clock.ts';
export * from './traffic.ts';

/** Grows when an older peer could misread us. What each side does with what it does not know: the head of PROTOCOL.md. */
export const PROTOCOL_VERSION = 1;
