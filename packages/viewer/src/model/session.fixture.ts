// Sessions as the gateway reports them, for tests.

import type { ForeignInfo, SessionInfo } from '@binnacle/protocol';

export const info = (over: Partial<SessionInfo>): SessionInfo => ({
  id: '0199f2aa-0000-7000-8000-000000000001' as SessionInfo['id'],
  name: '',
  state: 'running',
  running: true,
  mode: 'pty',
  argv: ['/bin/bash', '-i'],
  cwd: '/',
  cols: 80,
  rows: 24,
  pid: 1,
  exitCode: null,
  signal: null,
  epoch: 'e',
  outputOffset: 0,
  oldestOffset: 0,
  syncedOffset: 0,
  position: 'e.0.0',
  createdAt: 0,
  exitedAt: null,
  lease: null,
  stalled: null,
  runs: null,
  foreign: null,
  labels: {},
  activity: null,
  ...over,
});

/** What makes one of those run elsewhere. */
export const foreign = (
  source: string,
  labels: Readonly<Record<string, string>> = {},
): Pick<SessionInfo, 'labels'> & { readonly foreign: ForeignInfo } => ({
  labels,
  foreign: { sessionId: `${source}-session`, source, labels, user: 'u', producer: null, heardAt: 0 },
});
