// Layers of each package, lowest first. A folder imports only folders of lower layers, types too, and never a folder of
// its own layer. scripts/import-rules.mjs checks it; a package without a list has no layers yet.
//
// A row is a folder below src/, or a file at its top by its name. A folder in a folder may have a row of its own;
// without one it belongs to the folder around it.

/** @type {Record<string, string[][]>} */
export const LAYERS = {
  server: [
    ['base'],
    ['data-dir', 'lease', 'log', 'process', 'routing'],
    ['cursor', 'plugins/grant', 'runner', 'store'],
    ['runner/client', 'store/recovery', 'access'],
    ['config', 'reporting', 'sessions'],
    ['activity', 'recording', 'screen', 'search', 'traffic', 'conversations/drivers', 'conversations/state'],
    [
      'conversations/drivers/acp',
      'conversations/drivers/claude-code',
      'conversations/drivers/codex',
      'conversations/drivers/local',
      'conversations/drivers/openai',
    ],
    ['conversations/agents'],
    ['conversations'],
    ['notifications', 'presence', 'visibility', 'plugins/host', 'plugins/install'],
    ['plugins/powers'],
    ['plugins/offers'],
    ['plugins/runtime'],
    ['plugins'],
    ['api/http'],
    ['api/schemas'],
    ['api/stream'],
    ['api/mcp', 'api/oauth', 'api/plugin-pages', 'api/rest', 'api/session-socket', 'api/traffic', 'api/ws'],
    ['api/opensandbox'],
    ['gateway'],
    ['index.ts'],
    ['entry-points'],
  ],
  cli: [
    ['version.ts', 'output', 'declarations'],
    ['input', 'terminal'],
    ['gateway'],
    ['attach', 'chat', 'doctor', 'emit', 'mcp', 'plugin'],
    ['commands'],
    ['program.ts'],
    ['main.ts'],
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
export const KNOWN = [];
