// Names and tags of all API operations, for the OpenAPI document. The names appear in generated client code.

/** Tags in the order of the document. */
export const TAGS = {
  Sessions: 'Programs in terminals or on pipes: start, watch, steer, end.',
  Runs: 'Commands in the shell of a session, one after the other, each with one definite end.',
  Conversations: 'Agents: what was said to them, what they say, and what they ask leave for.',
  Shares: 'Links that show one session or conversation to whoever has them.',
  Access: 'Tokens, login links and browser logins.',
  Traffic: 'What happens in programs that run elsewhere.',
  Search: 'Words in the output of all sessions.',
  Notifications: 'Notifications of what waits for people.',
  Plugins: 'Programs that add to the gateway, with what they were granted.',
  Routing: 'Messages from channels, and which agent they go to.',
  Gateway: 'The gateway itself.',
  OAuth: 'How programs that can only connect and log in come to a token.',
  MCP: 'Model Context Protocol.',
  OpenSandbox: 'Routes that clients of OpenSandbox know. Their failures have its shape.',
} as const;
export type Tag = keyof typeof TAGS;

const NAMES: Readonly<Record<Tag, Readonly<Record<string, string>>>> = {
  Sessions: {
    'post /v1/sessions': 'createSession',
    'get /v1/sessions': 'listSessions',
    'get /v1/sessions/:id': 'getSession',
    'delete /v1/sessions/:id': 'deleteSession',
    'get /v1/sessions/:id/output': 'readSessionOutput',
    'post /v1/sessions/:id/input': 'writeSessionInput',
    'post /v1/sessions/:id/report': 'reportSession',
    'post /v1/sessions/:id/close-stdin': 'closeSessionInput',
    'post /v1/sessions/:id/signal': 'signalSession',
    'post /v1/sessions/:id/resize': 'resizeSession',
    'get /v1/sessions/:id/lease': 'getSessionLease',
    'post /v1/sessions/:id/lease': 'changeSessionLease',
    'get /v1/sessions/:id/processes': 'listSessionProcesses',
    'get /v1/sessions/:id/screen': 'getSessionScreen',
    'get /v1/sessions/:id/timeline': 'getSessionTimeline',
    'get /v1/sessions/:id/export': 'exportSession',
    'post /v1/recordings': 'importRecording',
  },
  Runs: {
    'post /v1/sessions/:id/runs': 'startRun',
    'get /v1/sessions/:id/runs': 'listRuns',
    'get /v1/sessions/:id/runs/:run': 'getRun',
    'delete /v1/sessions/:id/runs/:run': 'cancelRun',
    'get /v1/sessions/:id/runs/:run/output': 'readRunOutput',
  },
  Conversations: {
    'get /v1/agents': 'listAgents',
    'get /v1/commands': 'listCommands',
    'post /v1/conversations': 'createConversation',
    'get /v1/conversations': 'listConversations',
    'get /v1/conversations/:key': 'getConversation',
    'patch /v1/conversations/:key': 'updateConversation',
    'delete /v1/conversations/:key': 'deleteConversation',
    'post /v1/conversations/:key/abort': 'abortConversation',
    'post /v1/conversations/:key/approvals/:id': 'answerApproval',
    'get /v1/conversations/:key/lease': 'getConversationLease',
    'post /v1/conversations/:key/lease': 'changeConversationLease',
    'post /v1/conversations/:key/notes': 'addConversationNote',
    'post /v1/conversations/:key/messages': 'sendMessage',
    'get /v1/conversations/:key/messages': 'listMessages',
    'get /v1/conversations/:key/messages/:id': 'getMessage',
    'patch /v1/conversations/:key/messages/:id': 'editMessage',
    'delete /v1/conversations/:key/messages/:id': 'cancelMessage',
    'get /v1/conversations/:key/runs/:run': 'getConversationRun',
    'delete /v1/conversations/:key/runs/:run': 'abortConversationRun',
    'get /v1/conversations/:key/events': 'readConversationEvents',
    'get /v1/conversations/:key/export': 'exportConversation',
  },
  Shares: {
    'post /v1/shares': 'createShare',
    'get /v1/shares': 'listShares',
    'get /v1/shares/:id': 'getShare',
    'delete /v1/shares/:id': 'revokeShare',
    'post /v1/shares/redeem': 'redeemShare',
    'post /v1/shares/look': 'lookAtShare',
    'get /v1/shared': 'getShared',
  },
  Access: {
    'post /v1/tokens': 'createToken',
    'get /v1/tokens': 'listTokens',
    'delete /v1/tokens/:id': 'revokeToken',
    'get /v1/tokens/:id/issued': 'getIssuedByToken',
    'post /v1/tickets': 'createTicket',
    'post /v1/login': 'login',
    'post /v1/logout': 'logout',
    'post /v1/passes': 'createPass',
    'get /v1/me': 'getMe',
    'post /v1/authorization': 'lookAtAuthorization',
    'post /v1/authorization/decision': 'decideAuthorization',
  },
  Traffic: {
    'post /v1/pty-traffic/emit': 'emitTraffic',
    'get /v1/pty-traffic': 'listTraffic',
    'get /v1/pty-traffic/stats': 'getTrafficStats',
  },
  Search: {
    'get /v1/search': 'searchOutput',
    'get /v1/search/messages': 'searchMessages',
    'post /v1/search/rebuild': 'rebuildSearchIndex',
  },
  Notifications: {
    'get /v1/notices': 'listNotices',
    'get /v1/push': 'getPush',
    'patch /v1/push': 'updatePush',
    'put /v1/push/subscription': 'subscribePush',
    'delete /v1/push/subscription': 'unsubscribePush',
    'post /v1/push/test': 'testPush',
    'get /v1/mutes': 'listMutes',
    'put /v1/sessions/:id/mute': 'muteSession',
    'delete /v1/sessions/:id/mute': 'unmuteSession',
    'put /v1/conversations/:key/mute': 'muteConversation',
    'delete /v1/conversations/:key/mute': 'unmuteConversation',
  },
  Plugins: {
    'get /v1/plugins': 'listPlugins',
    'post /v1/plugins': 'installPlugin',
    'get /v1/plugins/:id': 'getPlugin',
    'delete /v1/plugins/:id': 'removePlugin',
    'post /v1/plugins/preview': 'previewPlugin',
    'put /v1/plugins/:id/permissions/:permission': 'grantPluginPermission',
    'delete /v1/plugins/:id/permissions/:permission': 'revokePluginPermission',
    'put /v1/plugins/:id/enabled': 'enablePlugin',
    'post /v1/plugins/:id/restart': 'restartPlugin',
    'get /v1/plugins/:id/logs': 'readPluginLogs',
    'get /v1/plugins/:id/audit': 'readPluginAudit',
  },
  Routing: {
    'post /v1/inbound': 'receiveMessage',
    'post /v1/routes/explain': 'explainRoute',
    'get /v1/config/problems': 'listConfigProblems',
  },
  Gateway: {
    'get /healthz': 'getHealth',
    'get /readyz': 'getReadiness',
    'get /metrics': 'getMetrics',
    'get /openapi.json': 'getOpenApi',
    'get /asyncapi.json': 'getAsyncApi',
    'get /v1/info': 'getInfo',
    'post /v1/proof': 'proveGateway',
  },
  OAuth: {
    'get /.well-known/oauth-protected-resource': 'getProtectedResource',
    'get /.well-known/oauth-protected-resource/*suffix': 'getProtectedResourceAt',
    'get /.well-known/oauth-authorization-server': 'getAuthorizationServer',
    'get /.well-known/oauth-authorization-server/*suffix': 'getAuthorizationServerAt',
    'post /oauth/register': 'registerClient',
    'get /oauth/authorize': 'authorizeClient',
    'post /oauth/token': 'exchangeCode',
    'post /oauth/revoke': 'revokeGrant',
  },
  MCP: {
    'post /mcp': 'postMcp',
    'get /mcp': 'followMcp',
    'delete /mcp': 'endMcp',
  },
  OpenSandbox: {
    'get /ping': 'ping',
    'post /command': 'runCommand',
    'delete /command': 'interruptCommand',
    'get /command/status/:id': 'getCommandStatus',
    'get /command/:id/logs': 'getCommandLogs',
    'post /session': 'createBashSession',
    'get /session/:id': 'getBashSession',
    'delete /session/:id': 'deleteBashSession',
    'post /session/:id/run': 'runInBashSession',
    'post /pty': 'createPty',
    'get /pty/:id': 'getPty',
    'delete /pty/:id': 'deletePty',
    'get /v1/sandboxes/:id/endpoints/:port': 'getSandboxEndpoint',
  },
};

export interface Operation {
  readonly tag: Tag;
  readonly operationId: string;
}

const BY_ADDRESS: ReadonlyMap<string, Operation> = new Map(
  Object.entries(NAMES).flatMap(([tag, names]) =>
    Object.entries(names).map(([address, operationId]) => [address, { tag: tag as Tag, operationId }] as const),
  ),
);

/**
 * Returns the name of an operation. An operation that is not listed gets a clumsy name from its address; a test reports
 * such names.
 *
 * @example operationOf({ method: 'get', path: '/v1/sessions/:id' }) // { tag: 'Sessions', operationId: 'getSession' }
 */
export function operationOf({ method, path }: { readonly method: string; readonly path: string }): Operation {
  const segments = path.match(/[A-Za-z0-9]+/g) ?? [];
  const made = [method, ...segments.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('');
  return BY_ADDRESS.get(`${method} ${path}`) ?? { tag: 'Gateway', operationId: made };
}
