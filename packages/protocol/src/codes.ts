// The table of failures. Callers branch on `code`, never on wording.

/** One row of the table of failures. */
export interface CodeRow {
  /** HTTP status. */
  readonly status: number;
  /** WebSocket close code, if the failure ends a connection. */
  readonly close?: number;
  /** Whether the same request may succeed later, unchanged. */
  readonly retry: boolean;
  /** Text for people. */
  readonly message: string;
  /** Remedy. The place that throws may give a more exact one. */
  readonly hint: string;
}

const row = (status: number, retry: boolean, message: string, hint: string, close?: number): CodeRow =>
  close === undefined ? { status, retry, message, hint } : { status, retry, message, hint, close };

/** All failures by their code. */
export const CODES = {
  // Requests that are wrong
  bad_request: row(400, false, 'The request is not well formed.', 'Compare the body and query with PROTOCOL.md.'),
  bad_offset: row(400, false, 'The offset is not valid.', 'since and tail take whole numbers from 0 to 2^53-1.'),
  bad_position: row(400, false, 'The position is not valid.', 'Pass the position exactly as you received it.'),
  bad_cwd: row(
    400,
    false,
    'The working directory does not exist or is not a directory.',
    'Create the directory, or pass another cwd.',
  ),
  command_not_found: row(400, false, 'The program was not found.', 'Check the name and the PATH in env.'),
  unknown_signal: row(400, false, 'This signal cannot be sent.', 'Use a name such as SIGINT, SIGTERM or SIGKILL.'),
  bad_size: row(400, false, 'The terminal size is not valid.', 'cols and rows take whole numbers from 1 to 65535.'),
  body_too_large: row(413, false, 'The body is larger than the limit.', 'Send it in smaller parts.', 1009),
  bad_content_type: row(415, false, 'The body has the wrong Content-Type.', 'Send application/json.'),
  headers_too_large: row(
    431,
    false,
    'The request headers are larger than the limit.',
    'Send fewer or shorter headers.',
  ),
  request_timeout: row(408, true, 'The request did not arrive in time.', 'Send the whole request without pauses.'),
  upgrade_required: row(
    426,
    false,
    'This address accepts WebSocket connections only.',
    'Connect with a WebSocket client.',
  ),
  method_not_allowed: row(
    405,
    false,
    'This address does not support the method.',
    'Use a method from the Allow header.',
  ),
  protocol_error: row(400, false, 'The frame is not part of the protocol.', 'Compare it with PROTOCOL.md.', 1002),

  // Access
  unauthorized: row(
    401,
    false,
    'The request has no valid token.',
    'Send Authorization: Bearer TOKEN, or open a fresh login link (binnacle token link).',
    4003,
  ),
  login_incomplete: row(
    401,
    false,
    'The login is incomplete: it needs a cookie and a key, and the page of each address stores its own key.',
    'Log in again at the address that you use: open a fresh login link (binnacle token link).',
    4003,
  ),
  forbidden: row(
    403,
    false,
    'The token does not allow this.',
    'Use another token, or ask someone who has the right.',
    4003,
  ),
  bad_origin: row(
    403,
    false,
    'Requests from this web origin are refused.',
    'If the origin is yours, add it with serve --origin.',
  ),
  bad_host: row(
    421,
    false,
    'This gateway does not serve the host in the Host header.',
    'If the host name is yours, add it with serve --host-name.',
  ),
  rate_limited: row(429, true, 'Too many failed attempts.', 'Wait for the number of seconds in Retry-After.'),
  too_many_tokens: row(
    429,
    false,
    'The maximum number of tokens is reached.',
    'Delete a token first (DELETE /v1/tokens/:id).',
  ),
  token_has_issued: row(
    409,
    false,
    'Tokens that this token created are still valid.',
    'Pass issued=revoke to revoke them as well, or issued=keep; GET /v1/tokens/:id/issued lists them.',
  ),
  weak_token: row(
    400,
    false,
    'The value cannot be used as a token.',
    'Create a token with "openssl rand -hex 32", or leave BINNACLE_TOKEN unset.',
  ),
  revoked: row(401, false, 'The token was revoked.', 'Ask for a new token.', 4003),
  share_expired: row(410, false, 'The share link has expired.', 'Ask the sender for a new link.', 4005),
  share_revoked: row(410, false, 'The share link was revoked.', 'Ask the sender for a new link.', 4006),
  share_used_up: row(
    410,
    false,
    'The share link has reached its maximum number of uses.',
    'Ask the sender for a new link.',
  ),
  share_not_found: row(404, false, 'No such share link.', 'List your share links with GET /v1/shares.'),
  too_many_shares: row(
    429,
    false,
    'The maximum number of share links is reached.',
    'Revoke a link first (DELETE /v1/shares/:id).',
  ),
  too_many_guests: row(
    429,
    false,
    'The share link has reached its maximum number of guests.',
    'Create another share link.',
  ),
  too_many_push_subscriptions: row(
    429,
    false,
    'The maximum number of notified browsers is reached.',
    'Turn off notifications in one of the browsers first.',
  ),
  bad_push_endpoint: row(
    400,
    false,
    'The push subscription cannot be used.',
    'Send the result of PushManager.subscribe unchanged.',
  ),
  push_not_subscribed: row(
    404,
    false,
    'None of your browsers has notifications turned on.',
    'Turn on notifications in a browser first.',
  ),
  push_failed: row(
    502,
    true,
    'The push service did not accept the message.',
    'See details.status for its HTTP status.',
  ),
  too_many_mutes: row(
    429,
    false,
    'The maximum number of muted sessions and conversations is reached.',
    'Unmute one first.',
  ),

  // Not found
  not_found: row(404, false, 'There is nothing at this address.', 'See /openapi.json for all addresses.'),
  session_not_found: row(404, false, 'No such session.', 'List sessions with GET /v1/sessions.', 4004),
  session_gone: row(
    410,
    false,
    'The session was deleted, or its retention period has ended.',
    'List sessions with GET /v1/sessions.',
    4004,
  ),

  // Runs
  run_not_found: row(
    404,
    false,
    'No such run.',
    'List the runs with GET /v1/sessions/:id/runs; the newest 1000 are kept.',
  ),
  no_runs: row(
    409,
    false,
    'This session does not accept runs.',
    'Start a session with "runs": true, or binnacle run --runs.',
  ),
  run_exists: row(409, false, 'A run with this id and another command exists.', 'Choose another id, or omit the id.'),
  shell_busy: row(409, true, 'The shell is busy.', 'Wait until its command ends, or pass "onBusy": "queue".'),
  too_many_runs: row(
    429,
    true,
    'Too many runs are waiting for this shell.',
    'Wait until a run ends, or use another session.',
  ),

  // Conversations
  conversation_not_found: row(
    404,
    false,
    'No such conversation.',
    'List your conversations with GET /v1/conversations, or create one with POST /v1/conversations.',
    4004,
  ),
  message_not_found: row(404, false, 'No such message.', 'List the messages with GET /v1/conversations/:key/messages.'),
  approval_not_found: row(
    404,
    false,
    'No such approval request.',
    'See approvals in the answer of GET /v1/conversations/:key.',
  ),
  approval_answered: row(
    409,
    false,
    'The approval request has already been answered.',
    'See details for the answer and for who gave it.',
  ),
  unknown_option: row(400, false, 'The approval request has no such option.', 'Use the id of one of its options.'),
  bad_key: row(
    400,
    false,
    'The session key is not valid.',
    'A key is agent:<agent>:<rest>, at most 512 characters, without control characters.',
  ),
  unknown_driver: row(
    400,
    false,
    'There is no such driver.',
    'Check binnacle plugin ls: the plugin must run, offer the driver, and be granted agentDrivers.',
  ),
  unknown_agent: row(
    400,
    false,
    'No such agent.',
    'List the agents with GET /v1/agents, or add the agent to the config file.',
  ),
  message_conflict: row(
    409,
    false,
    'A message with this id and another text exists.',
    'Choose another id, or omit the id.',
  ),
  message_too_large: row(
    413,
    false,
    'The message is over the limit.',
    'Send a shorter message, or put the text into a file.',
  ),
  message_delivered: row(409, false, 'The agent has already received the message.', 'Send another message.'),
  queue_full: row(
    429,
    true,
    'Too many messages are waiting in this conversation.',
    'Wait until a run ends, or cancel some of the messages.',
  ),
  reply_not_allowed: row(
    403,
    false,
    'Replies to this address are not allowed.',
    'Add the beginning of the address to inbound.replies in the config file.',
  ),
  too_many_conversations: row(
    429,
    true,
    'The maximum number of conversations is reached.',
    'Delete a conversation, or raise serve --max-conversations.',
  ),
  agent_failed: row(502, true, 'The agent failed.', 'Send the message again, or check the agent in the config file.'),
  agent_died: row(
    502,
    true,
    'The agent exited during the run.',
    'Send the message again. If the agent exits again, start its command by hand to see why.',
  ),
  agent_lost: row(502, true, 'The gateway was restarted, and this run could not continue.', 'Send the message again.'),
  agent_silent: row(
    504,
    true,
    'The agent sent nothing for too long, and no tool was running.',
    'Send the message again. To allow more time, raise silenceMs of the agent in the config file.',
  ),
  agent_protocol: row(
    502,
    false,
    'The agent sent a message that its protocol does not define.',
    'Check the driver and the command of the agent in the config file.',
  ),
  answer_too_large: row(
    502,
    false,
    'The answer is over the limit of 400 KiB.',
    'Ask for a shorter answer, or let the agent write it to a file.',
  ),
  agent_flood: row(
    502,
    false,
    'The agent wrote a line that is too long.',
    'Check that its command starts the mode for programs.',
  ),

  // The sandbox daemon's protocol
  not_supported: row(
    501,
    false,
    'This is not supported here.',
    'See docs/opensandbox.md for what is supported, and for alternatives.',
  ),
  too_many_ptys: row(
    429,
    true,
    'Too many terminals were created that no client has attached to.',
    'Attach to them or delete them, or raise serve --max-pending-ptys.',
  ),
  not_started: row(
    409,
    true,
    'The program has not started: it starts with the first writer.',
    'Attach without readonly=1 first.',
  ),

  // Traffic: output that comes from elsewhere
  bad_event: row(400, false, 'The event is not well formed.', 'Compare it with PROTOCOL.md, section 13.'),
  bad_session_id: row(
    400,
    false,
    'The session id is not valid.',
    'Use 1 to 200 of A-Z, a-z, 0-9 and . _ : @ + = , ~ -, beginning with a letter or digit.',
  ),
  bad_time: row(
    400,
    false,
    'The timestamp is not valid, or is in the future.',
    'Send milliseconds since 1970 or ISO 8601, and check the clock of the emitter.',
  ),
  event_too_large: row(413, false, 'The event is over the limit.', 'Split its output into several events.'),
  batch_too_large: row(413, false, 'The batch has too many events.', 'Send at most 1000 events in a batch.'),
  session_taken: row(409, false, 'Another emitter uses this session id.', 'Use another session_id, such as a UUID.'),
  stale_epoch: row(
    403,
    false,
    'A newer epoch of this producer has taken over the session.',
    'Stop sending; details.epoch is the current epoch.',
  ),
  seq_gap: row(
    409,
    true,
    'An event before this one is missing.',
    'Send the events in order, from details.expected on.',
  ),
  earlier_refused: row(
    409,
    true,
    'An earlier event of this session in the batch was refused.',
    'See the error of that event, and send this event again after it.',
  ),
  session_foreign: row(
    409,
    false,
    'The program runs elsewhere: it can be watched here, but not steered.',
    'Steer it where it runs.',
  ),
  too_fast: row(
    429,
    true,
    'This token sends more than its limit.',
    'Wait for the number of seconds in Retry-After, then send the same request again.',
  ),
  too_many_foreign: row(
    429,
    true,
    'The maximum number of sessions that run elsewhere is reached.',
    'End or delete some of them, or raise serve --max-foreign-sessions.',
  ),

  // Recordings
  bad_recording: row(
    400,
    false,
    'The file is not an asciicast recording.',
    'Use an asciicast file of version 1, 2 or 3.',
  ),
  too_many_imports: row(429, true, 'Too many recordings are being imported.', 'Wait until one of them ends.'),

  // Search
  bad_query: row(
    400,
    false,
    'The query is not valid.',
    'Use words, "phrases in quotes", word* for the beginning of a word, -word for a word that must not occur.',
  ),
  bad_filter: row(
    400,
    false,
    'There is no such filter.',
    'Use session_id, source, label, command, exit_code, running.',
  ),
  search_timeout: row(503, true, 'The search took too long.', 'Use longer or fewer words, or a narrower filter.'),
  index_unavailable: row(503, true, 'The index is being built.', 'Try again in a moment.'),

  // Background shells for agents (MCP)
  bad_pattern: row(
    400,
    false,
    'The regular expression is not supported.',
    'Use literals, . [] () | * + ? {n,m} ^ $ \\b \\d \\w \\s; no look-around, no back references.',
  ),
  too_many_calls: row(
    429,
    true,
    'Too many calls of this token are waiting.',
    'Wait until a call ends, or raise serve --max-mcp-calls.',
  ),
  mcp_session_not_found: row(
    404,
    false,
    'No such MCP session.',
    'Send initialize again, use the Mcp-Session-Id of its answer, and subscribe to the resources again.',
  ),
  screen_timeout: row(503, true, 'Rendering the screen takes too long.', 'Read the output with bash_output instead.'),
  asked_again: row(
    429,
    true,
    'Newer requests arrived in the meantime; this one was dropped.',
    'Wait for the answer before you send the next request.',
  ),

  // Plugins
  permission_denied: row(
    403,
    false,
    'The plugin does not have this permission.',
    'See details.key for the key of the config file.',
  ),
  not_grantable: row(
    403,
    false,
    'This permission cannot be granted to a plugin.',
    'See docs/plugins.md for the permissions that can be granted.',
  ),
  bad_manifest: row(
    400,
    false,
    'The manifest of the plugin (binnacle.plugin.json) is wrong.',
    'Correct the entry that the message names; docs/writing-a-plugin.md shows a manifest.',
  ),
  bad_typescript: row(
    400,
    false,
    'The TypeScript of the plugin cannot be turned into JavaScript.',
    'Correct the code that the message names. Types are removed, and nothing is compiled.',
  ),
  bad_plugin_config: row(
    400,
    false,
    'The settings of the plugin do not match its manifest.',
    'Correct plugins.entries.ID.config in the config file.',
  ),
  unsafe_plugin: row(
    403,
    false,
    'The folder of the plugin is not safe to load from.',
    'Use a folder that you own, that no other user can write to, and that has no links.',
  ),
  plugin_changed: row(
    403,
    false,
    'The files of the plugin have changed since it was installed.',
    'If the change is yours, install the plugin again.',
  ),
  other_origin: row(
    409,
    false,
    'The plugin comes from another folder than the installed one.',
    'Check what it would inherit (details.inherits), and pass "inherit": "all" or "nothing" (binnacle plugin install --inherit).',
  ),
  consent_needed: row(
    403,
    false,
    'The plugin asks for more than was approved.',
    'Check what it asks for, and install it again to approve.',
  ),

  // Plugins
  plugin_refused: row(
    403,
    false,
    'The plugin cannot be loaded here.',
    'If you trust the plugin, set the key that the message names in the config file.',
  ),
  plugin_stopped: row(503, true, 'The plugin is not running.', 'Run binnacle plugin ls to see why it ended.'),
  plugin_timeout: row(504, true, 'The plugin call took too long.', 'Try again, or request less at once.'),
  plugin_busy: row(429, true, 'Too many requests are waiting for the plugin.', 'Wait until some of them are answered.'),
  vetoed: row(
    403,
    false,
    'A plugin does not allow this.',
    'The message gives the reason of the plugin. The operator of the gateway can change or revoke the rule.',
  ),
  too_many_installs: row(429, true, 'Too many plugin folders are being inspected.', 'Wait until one of them ends.'),
  plugin_not_found: row(404, false, 'There is no such plugin.', 'List the plugins with binnacle plugin ls.'),
  plugin_failed: row(502, false, 'The plugin failed.', 'Read its log with binnacle plugin logs.'),
  fetch_failed: row(502, true, 'The HTTP request of the plugin failed.', 'See details.reason for where it failed.'),
  storage_full: row(
    507,
    false,
    'The storage of the plugin is full.',
    'Delete some keys first: a plugin can store 10,000 keys and 8 MiB.',
  ),
  config_not_writable: row(
    409,
    false,
    'The config file cannot be changed from here.',
    'Change it by hand, or let the user that Binnacle runs as write to it.',
  ),

  // Positions
  gap: row(
    410,
    false,
    'Output before the oldest stored byte is no longer available.',
    'Read from oldestOffset, or with ?tail=.',
  ),
  offset_ahead: row(
    416,
    false,
    'The offset is ahead of the head.',
    'Read from headOffset; if you had read more than that, history was lost.',
  ),
  wrong_epoch: row(
    409,
    false,
    'The position belongs to another epoch of this log.',
    'Start again from the oldest position.',
  ),
  log_damaged: row(
    500,
    false,
    'A range of the log does not match its checksum.',
    'The ranges around it are readable; see from and to.',
  ),

  // Steering
  lease_held: row(
    409,
    true,
    'Another writer is in control.',
    'Wait, ask for control, or take control: action "take", or --take on the command line.',
  ),
  lease_lost: row(
    409,
    false,
    'Control was taken over, was released or has expired.',
    'Acquire control again before you write.',
  ),
  taken_over: row(409, false, 'Another writer took control.', 'To write again, acquire control.', 4001),
  helm_free: row(409, true, 'The session has no writer in control.', 'Acquire control; you do not have to ask.'),
  holder_unreachable: row(
    409,
    true,
    'The writer in control cannot be asked: none of its connections receives requests.',
    'Wait until control is released, or take control.',
  ),
  asked_lately: row(429, true, 'The writer in control was asked a moment ago.', 'Wait a moment for the answer.'),
  watcher_not_found: row(404, false, 'No watcher of the session has this id.', 'See the newest frame "watchers".'),
  watcher_cannot_steer: row(
    409,
    false,
    'This watcher can only watch.',
    'Hand over control to a watcher whose maySteer is true.',
  ),
  not_subscribed: row(
    409,
    false,
    'This connection is not subscribed to the session.',
    'Subscribe to the session first.',
  ),
  already_connected: row(
    409,
    true,
    'Another writer is connected to this session.',
    'Connect with takeover=1, or watch read-only.',
  ),
  session_exited: row(409, false, 'The program has ended.', 'Start a new session.'),
  stdin_closed: row(409, false, 'The input of this program is closed.', 'Start a new session to send more.'),
  not_a_tty: row(409, false, 'The session runs on pipes and has no terminal size.', 'Start it with mode "pty".'),
  input_full: row(
    429,
    true,
    'The program does not read its input; the queue is full.',
    'Wait until it reads, then send the same message again.',
  ),
  input_gap: row(
    409,
    false,
    'A message number was skipped.',
    'Send the messages of one client in order, from the number that the message names.',
  ),
  no_job: row(409, true, 'No running job can receive the signal.', 'Send SIGTERM or SIGKILL to end the shell itself.'),

  // Limits
  too_many_sessions: row(
    429,
    true,
    'The maximum number of sessions is reached.',
    'Delete a session, or raise serve --max-sessions.',
  ),
  too_many_viewers: row(
    429,
    true,
    'The maximum number of viewers is reached.',
    'Close a viewer, or raise serve --max-viewers.',
    4029,
  ),
  too_many_subscriptions: row(
    429,
    true,
    'This connection has reached its maximum number of subscriptions.',
    'Unsubscribe from one first.',
  ),
  too_slow: row(408, true, 'The viewer read nothing for too long.', 'Connect again from the last position.', 4008),
  no_pong: row(408, true, 'The connection was silent for too long.', 'Connect again from the last position.', 4009),

  // On the way (raised by clients)
  unreachable: row(
    503,
    true,
    'The gateway does not answer.',
    'Check that it is running, or start it with binnacle serve.',
  ),
  connection_lost: row(
    503,
    true,
    'The connection was lost before the answer came.',
    'The request may have taken effect: check, then send it again.',
  ),
  client_closed: row(499, false, 'The client was closed.', 'Create a new client.'),

  // Us
  pty_unavailable: row(
    501,
    false,
    'No terminal can be opened here: the native module is missing.',
    'Install Binnacle again without --omit=optional, or start on pipes: "mode": "pipe", binnacle run --pipe.',
  ),
  start_failed: row(500, false, 'The program could not be started.', 'See the message and the gateway log.'),
  runner_unavailable: row(
    503,
    true,
    'The process that owns this program does not answer.',
    'Try again, or run binnacle doctor to find the cause.',
    4503,
  ),
  going_away: row(
    503,
    true,
    'The gateway is stopping. Programs keep running.',
    'Connect again from the last position.',
    1012,
  ),
  disk_full: row(
    507,
    true,
    'The disk is full; programs wait until there is room.',
    'Free some space, or shorten the retention.',
  ),
  data_dir_in_use: row(
    409,
    false,
    'Another gateway uses this data directory.',
    'Stop that gateway, or pass another --data.',
  ),
  catalogue_damaged: row(
    500,
    false,
    'The catalogue (catalogue.db in the data directory) is damaged.',
    'Stop the gateway, and rebuild the catalogue from the logs: binnacle doctor --rebuild-catalogue',
  ),
  bad_config: row(
    500,
    false,
    'The config file is wrong.',
    'Correct the line that the message names, and start again. docs/routing.md shows a config file.',
  ),
  bad_data_dir: row(
    500,
    false,
    'The data directory is not safe to use.',
    'Use a directory that you own, with mode 0700.',
  ),
  invariant: row(500, false, 'An internal check failed.', 'Please report it with the gateway log.'),
  internal: row(500, false, 'The gateway failed to answer.', 'See the gateway log.'),
} as const satisfies Record<string, CodeRow>;

/** Code of a failure. */
export type Code = keyof typeof CODES;

/** Returns whether a text is a code of this version. */
export const isCode = (text: string): text is Code => Object.hasOwn(CODES, text);

/** A failure on the wire: the body of an HTTP error, and the `error` of a frame. */
export interface WireError {
  /** Code, to branch on. */
  readonly code: Code;
  /** Text for people. */
  readonly message: string;
  /** Remedy, for people. */
  readonly hint: string;
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean;
  /** Numbers and names that belong to the failure, such as `{oldestOffset, headOffset}` or `{holder}`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The error of all packages. Branch on `code`; show `message` and `hint`.
 *
 * @example
 * ```ts
 * import { BinnacleError } from '@binnacle/protocol';
 *
 * try {
 *   await session.lease.acquire();
 * } catch (error) {
 *   if (!(error instanceof BinnacleError) || error.code !== 'lease_held') throw error;
 *   console.log(`${error.details?.holder} has control. ${error.hint}`);
 * }
 * ```
 */
export class BinnacleError extends Error {
  /** `BinnacleError`. */
  override readonly name = 'BinnacleError';
  /** Code of the failure. */
  readonly code: Code;
  /** Remedy, for people. */
  readonly hint: string;
  /** Numbers and names that belong to the failure. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    code: Code,
    options: { message?: string; hint?: string; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(options.message ?? CODES[code].message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? CODES[code].hint;
    this.details = options.details;
  }

  /** HTTP status. */
  get status(): number {
    return CODES[this.code].status;
  }

  /** Whether the same request may succeed later, unchanged. */
  get retryable(): boolean {
    return CODES[this.code].retry;
  }

  /** Returns the failure as it goes over the wire. */
  toWire(): WireError {
    const wire = { code: this.code, message: this.message, hint: this.hint, retryable: this.retryable };
    return this.details === undefined ? wire : { ...wire, details: this.details };
  }

  /**
   * Returns a thrown value as a `BinnacleError`: itself, `disk_full` if the system or SQLite had no room,
   * `catalogue_damaged` if SQLite found a damaged file, else `internal`. For every place where a failure leaves the
   * process.
   *
   * @example
   * ```ts
   * import { BinnacleError } from '@binnacle/protocol';
   *
   * const full = Object.assign(new Error('write failed'), { code: 'ENOSPC' });
   * console.log(BinnacleError.of(full).toWire().code); // 'disk_full'
   * ```
   */
  static of(error: unknown): BinnacleError {
    if (error instanceof BinnacleError) return error;
    const code = isDiskFull(error) ? 'disk_full' : isDamagedDatabase(error) ? 'catalogue_damaged' : 'internal';
    return new BinnacleError(code, { cause: error });
  }

  /** Returns the error of a failure that came over the wire. An unknown code becomes `internal`. */
  static fromWire(wire: WireError): BinnacleError {
    return new BinnacleError(isCode(wire.code) ? wire.code : 'internal', {
      message: wire.message,
      hint: wire.hint,
      ...(wire.details === undefined ? {} : { details: { ...wire.details } }),
    });
  }
}

const NO_ROOM: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];
/**
 * SQLite's FULL, and the codes of IOERR that writing gives: WRITE, FSYNC, DIR_FSYNC, TRUNCATE, SHMOPEN, SHMSIZE,
 * SHMMAP.
 */
const NO_ROOM_IN_SQLITE: readonly unknown[] = [13, 10, 778, 1034, 1290, 1546, 4618, 4874, 5386];

/** Returns whether an error says that a disk, a quota or a file size is exhausted, or is SQLite's version of that. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  return NO_ROOM.includes(code) || NO_ROOM_IN_SQLITE.includes(errcode);
}

/** Recognizes SQLITE_CORRUPT and SQLITE_NOTADB. The catalogue is the only database that a gateway reads itself. */
function isDamagedDatabase(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  return [11, 26].includes(error.errcode & 0xff);
}

/**
 * Throws `invariant` unless a condition holds. For what cannot happen: it is loud and carries the facts, because data
 * loss hides there.
 */
export function invariant(condition: unknown, message: string, facts?: Record<string, unknown>): asserts condition {
  if (condition) return;
  throw new BinnacleError('invariant', facts === undefined ? { message } : { message, details: facts });
}

/**
 * Reaction of a client to a closed connection. Unknown codes reconnect, because networks close connections in odd
 * ways.
 */
export type AfterClose = 'reconnect' | 'stop';

const STOP = new Set([1002, 1007, 1008, 1009, 4001, 4003, 4004, 4005, 4006]);

/** Returns what a client does after a WebSocket close code. */
export const afterClose = (closeCode: number): AfterClose => (STOP.has(closeCode) ? 'stop' : 'reconnect');
