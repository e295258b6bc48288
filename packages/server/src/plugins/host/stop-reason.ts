// The reason why the process of a plugin ended: a text for people, and a code for programs.

export type StopCode =
  /** Stopped by request. */
  | 'stopped'
  /** Ended by itself: exit, uncaught error, or a signal from elsewhere. */
  | 'exited'
  | 'launch_failed'
  /** The entry threw, or is not a valid entry. */
  | 'load_failed'
  | 'start_timeout'
  /** No sign of life. */
  | 'silent'
  | 'memory'
  /** Violated the protocol. */
  | 'protocol'
  /** Does not read the answers to its calls. */
  | 'unread';

export interface StopReason {
  readonly code: StopCode;
  /** A sentence. */
  readonly message: string;
  /** True if another attempt needs other files or settings to succeed. */
  readonly isFinal?: true;
}

/** Returns a sentence about the end. */
export const describeEnd = (who: string, { code, message }: StopReason): string =>
  code === 'stopped' ? `${who} was stopped.` : `${who} has ended: ${sentence(message)}`;

const sentence = (text: string): string => (/[.!?…]\)?$/.test(text) ? text : `${text}.`);

/** Consequence of the end: `disabled` lasts until a person starts the plugin again. */
export type AfterStop = 'restarting' | 'stopped' | 'disabled';
