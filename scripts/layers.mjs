// Layers of each package, lowest first. A folder imports only folders of lower layers, types too, and never a folder of
// its own layer. scripts/import-rules.mjs checks it; a package without a list has no layers yet.
//
// A row is a folder below src/, or a file at its top by its name. A folder in a folder may have a row of its own;
// without one it belongs to the folder around it.

/** @type {Record<string, string[][]>} */
export const LAYERS = {
  server: [
    [
      'askers.ts',
      'at-once.ts',
      'base',
      'clock',
      'labels.ts',
      'net',
      'notices.ts',
      'own-time.ts',
      'turns.ts',
      'version.ts',
    ],
    ['log', 'process', 'routing'],
    ['catalogue', 'cursor', 'runner', 'steering'],
    ['http'],
    ['config', 'session-guard.ts', 'session-launch.ts', 'session-query.ts'],
    ['session-runs.ts'],
    ['session.ts'],
    ['open-sessions.ts'],
    ['sessions.ts'],
    ['activity', 'conversation', 'recording', 'reporting', 'retention.ts', 'screen', 'search', 'traffic'],
    ['hail', 'plugin'],
    ['connection'],
    ['mcp', 'oauth'],
    ['plugin-reading.ts'],
    ['gateway-options.ts'],
    ['gateway.ts'],
    ['index.ts'],
    ['cli'],
  ],
  client: [
    ['transport'],
    ['feed'],
    ['run', 'traffic'],
    ['session'],
    ['conversation', 'resources'],
    ['client.ts'],
    ['index.ts'],
    ['react/result.ts', 'react/log'],
    ['react/terminal'],
    ['react/stores', 'react/terminal.ts'],
    ['react/hooks'],
    ['react/components'],
    ['react/index.ts'],
  ],
  viewer: [
    ['build', 'model'],
    ['state'],
    ['ui'],
    ['terminal'],
    ['access', 'notifications', 'plugins', 'recordings', 'replay', 'search', 'sharing', 'traffic'],
    ['conversation', 'session', 'sidebar'],
    ['app'],
  ],
};

/** Imports against the layers that are still there, as `package: from → to`. The list only ever gets shorter. */
export const KNOWN = ['server: config → hail', 'server: config → plugin'];
