// Why the process of a plugin ended. Words for people, and a code to branch on.

export type StopCode =
  /** It was asked to. */
  | 'stopped'
  /** By itself: exit, a throw, a signal from elsewhere. */
  | 'exited'
  | 'launch_failed'
  /** Its entry threw, or is none. */
  | 'load_failed'
  | 'start_timeout'
  /** No sign of life. */
  | 'silent'
  | 'memory'
  /** It sent what does not belong. */
  | 'protocol'
  /** It does not read what it asked for. */
  | 'unread';

export interface StopReason {
  readonly code: StopCode;
  /** A sentence. */
  readonly message: string;
  /** Another try would end otherwise only with other files or settings. */
  readonly isFinal?: true;
}

/** As a sentence about it. */
export const endOf = (who: string, { code, message }: StopReason): string =>
  code === 'stopped' ? `${who} was stopped.` : `${who} has ended: ${sentence(message)}`;

const sentence = (text: string): string => (/[.!?…]\)?$/.test(text) ? text : `${text}.`);

/** What comes of it: `disabled` is for good, until somebody starts it again. */
export type AfterStop = 'restarting' | 'stopped' | 'disabled';
