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
  readonly message: string;
}

/** What comes of it: `disabled` is for good, until somebody starts it again. */
export type AfterStop = 'restarting' | 'stopped' | 'disabled';
