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
  bad_offset: row(400, false, 'That is not an offset.', 'since and tail take whole numbers from 0 to 2^53-1.'),
  bad_position: row(400, false, 'That is not a position.', 'Pass back a position exactly as it was received.'),
  bad_cwd: row(
    400,
    false,
    'The working directory does not exist or is no directory.',
    'Create it, or pass another cwd.',
  ),
  command_not_found: row(400, false, 'The program was not found.', 'Check the name and the PATH in env.'),
  unknown_signal: row(
    400,
    false,
    'That is not a signal that can be sent.',
    'Use a name such as SIGINT, SIGTERM or SIGKILL.',
  ),
  bad_size: row(400, false, 'That is not a terminal size.', 'cols and rows take whole numbers from 1 to 65535.'),
  body_too_large: row(413, false, 'The body is larger than the limit.', 'Send it in smaller parts.', 1009),
  bad_content_type: row(415, false, 'The body has the wrong Content-Type.', 'Send application/json.'),
  headers_too_large: row(
    431,
    false,
    'The request headers are larger than the limit.',
    'Send fewer or shorter headers.',
  ),
  request_timeout: row(408, true, 'The request did not arrive in time.', 'Send the whole request without pauses.'),
  upgrade_required: row(426, false, 'This address speaks WebSocket only.', 'Connect with a WebSocket client.'),
  method_not_allowed: row(405, false, 'This address does not take that method.', 'See the Allow header.'),
  protocol_error: row(400, false, 'The frame is not part of the protocol.', 'Compare it with PROTOCOL.md.', 1002),

  // Access
  unauthorized: row(
    401,
    false,
    'No valid token came with the request.',
    'Send Authorization: Bearer TOKEN, or open a fresh login link (binnacle token link).',
    4003,
  ),
  login_incomplete: row(
    401,
    false,
    'One half of the login is missing: it has a cookie and a key, which the page of one address keeps.',
    'Log in again, at the address that is to be used: open a fresh login link (binnacle token link).',
    4003,
  ),
  forbidden: row(403, false, 'The token does not allow this.', 'Use another token, or ask somebody who may.', 4003),
  bad_origin: row(
    403,
    false,
    'Requests from that web origin are refused.',
    'Add it with serve --origin if it is yours.',
  ),
  bad_host: row(
    421,
    false,
    'The Host header names a host that is not served here.',
    'Add it with serve --host-name if it is yours.',
  ),
  rate_limited: row(429, true, 'Too many failed attempts.', 'Wait for the seconds in Retry-After.'),
  too_many_tokens: row(429, false, 'The limit of tokens is reached.', 'Delete one first (DELETE /v1/tokens/:id).'),
  token_has_issued: row(
    409,
    false,
    'Tokens that it has made count still.',
    'Pass issued=revoke to end them as well, or issued=keep; GET /v1/tokens/:id/issued lists them.',
  ),
  weak_token: row(
    400,
    false,
    'That cannot be a token.',
    'Make one with "openssl rand -hex 32", or leave BINNACLE_TOKEN unset.',
  ),
  revoked: row(401, false, 'The token was revoked.', 'Ask for a new one.', 4003),
  share_expired: row(410, false, 'The share link has expired.', 'Ask whoever sent it for a new one.', 4005),
  share_revoked: row(410, false, 'The share link was revoked.', 'Ask whoever sent it for a new one.', 4006),
  share_used_up: row(
    410,
    false,
    'The share link was used as often as it may be.',
    'Ask whoever sent it for a new one.',
  ),
  share_not_found: row(404, false, 'No such share link.', 'List yours with GET /v1/shares.'),
  too_many_shares: row(429, false, 'The limit of share links is reached.', 'Revoke one first (DELETE /v1/shares/:id).'),
  too_many_guests: row(429, false, 'The share link has let in as many as it can.', 'Make another one.'),
  too_many_push_subscriptions: row(
    429,
    false,
    'The limit of browsers that are notified is reached.',
    'Turn notifications off in one of them first.',
  ),
  bad_push_endpoint: row(
    400,
    false,
    'Nothing can be sent to that push subscription.',
    'Pass on what PushManager.subscribe gave the page, unchanged.',
  ),
  push_not_subscribed: row(404, false, 'No browser of yours is notified.', 'Turn notifications on in one first.'),
  push_failed: row(502, true, 'The push service did not take the message.', 'details.status is what it answered.'),
  too_many_mutes: row(429, false, 'The limit of muted sessions and conversations is reached.', 'Unmute one first.'),

  // Not found
  not_found: row(404, false, 'There is nothing at this address.', 'See /openapi.json for all addresses.'),
  session_not_found: row(404, false, 'No such session.', 'List sessions with GET /v1/sessions.', 4004),
  session_gone: row(
    410,
    false,
    'The session was deleted, or its retention ran out.',
    'List sessions with GET /v1/sessions.',
    4004,
  ),

  // Runs
  run_not_found: row(404, false, 'No such run.', 'List them with GET /v1/sessions/:id/runs; the newest 1000 are kept.'),
  no_runs: row(409, false, 'This session takes no runs.', 'Start one with "runs": true, or binnacle run --runs.'),
  run_exists: row(409, false, 'There is a run by that id, of another command.', 'Choose another id, or none.'),
  shell_busy: row(409, true, 'The shell is busy.', 'Wait for what it does, or pass "onBusy": "queue".'),
  too_many_runs: row(429, true, 'Too many runs wait for this shell.', 'Wait for one to end, or use another session.'),

  // Conversations
  conversation_not_found: row(
    404,
    false,
    'No such conversation.',
    'List yours with GET /v1/conversations, or make one with POST /v1/conversations.',
    4004,
  ),
  message_not_found: row(404, false, 'No such message.', 'List them with GET /v1/conversations/:key/messages.'),
  approval_not_found: row(404, false, 'No such request for approval.', 'See approvals of GET /v1/conversations/:key.'),
  approval_answered: row(409, false, 'Somebody has answered that already.', 'See details for who, and what.'),
  unknown_option: row(400, false, 'The request has no such option.', 'Use the id of one of its options.'),
  bad_key: row(
    400,
    false,
    'That is not a session key.',
    'A key is agent:<agent>:<rest>, at most 512 characters, without control characters.',
  ),
  unknown_driver: row(
    400,
    false,
    'There is no such driver.',
    'See binnacle plugin ls: the plugin must run, offer it, and be granted agentDrivers.',
  ),
  unknown_agent: row(400, false, 'No such agent.', 'List them with GET /v1/agents; add one to the config file.'),
  message_conflict: row(409, false, 'There is a message by that id, of another text.', 'Choose another id, or none.'),
  message_too_large: row(413, false, 'The message is over the limit.', 'Send less, or put it into a file.'),
  message_delivered: row(409, false, 'The agent has that message already.', 'Send another one.'),
  queue_full: row(429, true, 'Too many messages wait in this conversation.', 'Wait for a run to end, or cancel some.'),
  reply_not_allowed: row(
    403,
    false,
    'Replies may not be posted to that address.',
    'Add the beginning of it to inbound.replies in the config file.',
  ),
  too_many_conversations: row(
    429,
    true,
    'The limit of conversations is reached.',
    'Delete one, or raise serve --max-conversations.',
  ),
  agent_failed: row(
    502,
    true,
    'The agent failed.',
    'Send the message again, or check what the config file says of the agent.',
  ),
  agent_died: row(
    502,
    true,
    'The agent ended in the middle of the run.',
    'Send the message again. If it ends again, start its command by hand to see why.',
  ),
  agent_lost: row(502, true, 'The gateway was restarted, and this run could not go on.', 'Send the message again.'),
  agent_silent: row(
    504,
    true,
    'The agent said nothing for too long, and no tool ran.',
    'Send the message again. How long is too long says silenceMs of the agent in the config file.',
  ),
  agent_protocol: row(
    502,
    false,
    'The agent said what its protocol does not know.',
    'Check the driver and the command of the agent in the config file.',
  ),
  answer_too_large: row(
    502,
    false,
    'The answer is over the limit of 400 KiB.',
    'Ask for less, or have it written to a file.',
  ),
  agent_flood: row(
    502,
    false,
    'The agent wrote a line without end.',
    'Check its command: is it the mode for programs?',
  ),

  // The sandbox daemon's protocol
  not_supported: row(
    501,
    false,
    'This is not offered here.',
    'docs/opensandbox.md tells what is, and what to do instead.',
  ),
  too_many_ptys: row(
    429,
    true,
    'Too many terminals were made that nobody has attached to.',
    'Attach to them or delete them, or raise serve --max-pending-ptys.',
  ),
  not_started: row(409, true, 'Nothing runs yet: it begins with the first writer.', 'Attach without readonly=1 first.'),

  // Traffic: output that comes from elsewhere
  bad_event: row(400, false, 'The event is not well formed.', 'Compare it with PROTOCOL.md, section 13.'),
  bad_session_id: row(
    400,
    false,
    'That cannot be the id of a session.',
    'Use 1 to 200 of A-Z, a-z, 0-9 and . _ : @ + = , ~ -, beginning with a letter or digit.',
  ),
  bad_time: row(
    400,
    false,
    'The timestamp is none, or is in the future.',
    'Send ms since 1970 or ISO 8601, and set the clock of the emitter.',
  ),
  event_too_large: row(413, false, 'The event is over the limit.', 'Cut its output into several events.'),
  batch_too_large: row(413, false, 'The batch has too many events.', 'Send at most 1000 at once.'),
  session_taken: row(
    409,
    false,
    'Another emitter has a session by that id.',
    'Use another session_id, such as a UUID.',
  ),
  stale_epoch: row(
    403,
    false,
    'A newer life of this producer has taken the session over.',
    'Stop sending: details.epoch is the epoch in force.',
  ),
  seq_gap: row(409, true, 'An event before this one is missing.', 'Send from details.expected on, in order.'),
  earlier_refused: row(
    409,
    true,
    'An earlier event of this session in the batch was refused.',
    'See its error; send this one again behind it.',
  ),
  session_foreign: row(
    409,
    false,
    'The program runs elsewhere: it can be watched here, not steered.',
    'Steer it where it runs.',
  ),
  too_fast: row(
    429,
    true,
    'This token sends more than its share.',
    'Wait for the seconds in Retry-After, then send the same again.',
  ),
  too_many_foreign: row(
    429,
    true,
    'The limit of sessions that run elsewhere is reached.',
    'End or delete some, or raise serve --max-foreign-sessions.',
  ),

  // Recordings
  bad_recording: row(
    400,
    false,
    'The file is no asciicast recording.',
    'Recordings are asciicast files of version 1, 2 or 3.',
  ),
  too_many_imports: row(429, true, 'Too many recordings are being imported.', 'Wait for one of them to end.'),

  // Search
  bad_query: row(
    400,
    false,
    'That cannot be searched for.',
    'Words, "phrases in quotes", word* for beginnings, -word for what must not be there.',
  ),
  bad_filter: row(
    400,
    false,
    'There is no such filter.',
    'Use session_id, source, label, command, exit_code, running.',
  ),
  search_timeout: row(503, true, 'The search took too long.', 'Use longer or fewer words, or a narrower filter.'),
  index_unavailable: row(503, true, 'The index is just being made.', 'Try again in a moment.'),

  // Background shells for agents (MCP)
  bad_pattern: row(
    400,
    false,
    'That is not a regular expression that can be sought here.',
    'Use literals, . [] () | * + ? {n,m} ^ $ \\b \\d \\w \\s; no look-around, no back references.',
  ),
  too_many_calls: row(
    429,
    true,
    'Too many calls of this token wait at once.',
    'Wait for one to end, or raise serve --max-mcp-calls.',
  ),
  mcp_session_not_found: row(
    404,
    false,
    'No such MCP session.',
    'Send initialize again and use the Mcp-Session-Id of its answer; what was followed has to be subscribed to again.',
  ),
  screen_timeout: row(503, true, 'Drawing the screen takes too long.', 'Read it with bash_output instead.'),
  asked_again: row(
    429,
    true,
    'Later ones were asked for meanwhile; this one was not made.',
    'Wait for the answer before asking for the next one.',
  ),

  // Plugins
  permission_denied: row(403, false, 'The plugin may not do that.', 'See details.key: the key of the config file.'),
  not_grantable: row(403, false, 'No plugin may do that.', 'See docs/plugins.md for what can be granted.'),
  bad_manifest: row(
    400,
    false,
    'The manifest of the plugin (binnacle.plugin.json) is wrong.',
    'Correct what is named; docs/writing-a-plugin.md shows what a manifest looks like.',
  ),
  bad_typescript: row(
    400,
    false,
    'The TypeScript of the plugin cannot be turned into JavaScript.',
    'Correct what is named. Types are taken away, and nothing is compiled.',
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
    'It must be a folder of your own that nobody else can write to, without links.',
  ),
  plugin_changed: row(
    403,
    false,
    'The files of the plugin are not those that were installed.',
    'Install it again if the change is yours.',
  ),
  other_origin: row(
    409,
    false,
    'The plugin comes from another folder than the one that is installed.',
    'Look at what it would get (details.inherits), and say so: "inherit": "all" or "nothing" (binnacle plugin install --inherit).',
  ),
  consent_needed: row(
    403,
    false,
    'The plugin asks for more than was agreed to.',
    'Look at what it asks for, and install it again to agree.',
  ),

  // Plugins
  plugin_refused: row(
    403,
    false,
    'The plugin may not be loaded here.',
    'Set what the message names in the config file, if you trust the plugin with it.',
  ),
  plugin_stopped: row(503, true, 'The plugin does not run.', 'binnacle plugin ls tells why it ended.'),
  plugin_timeout: row(504, true, 'That took longer than a plugin call may.', 'Try again, or ask for less at once.'),
  plugin_busy: row(429, true, 'Too much is on its way to the plugin.', 'Wait for some of it to be answered.'),
  vetoed: row(
    403,
    false,
    'A plugin does not allow that.',
    'The message has the reason of the plugin. Whoever runs the gateway can change or revoke that.',
  ),
  too_many_installs: row(429, true, 'Too many folders of plugins are being looked at.', 'Wait for one of them to end.'),
  plugin_not_found: row(404, false, 'There is no such plugin.', 'binnacle plugin ls shows those that there are.'),
  plugin_failed: row(502, false, 'The plugin failed.', 'binnacle plugin logs shows what it wrote.'),
  fetch_failed: row(502, true, 'The request that the plugin wanted sent failed.', 'details.reason says where.'),
  storage_full: row(
    507,
    false,
    'The plugin keeps as much as it may.',
    'Delete some keys first: 10,000 and 8 MiB are kept of one plugin.',
  ),
  config_not_writable: row(
    409,
    false,
    'The config file cannot be changed from here.',
    'Change it by hand, or give the user that Binnacle runs as leave to write it.',
  ),

  // Positions
  gap: row(410, false, 'Output before the oldest kept byte is gone.', 'Read from oldestOffset, or with ?tail=.'),
  offset_ahead: row(
    416,
    false,
    'The offset is ahead of the head.',
    'Read from headOffset; if you had more than that, history was lost.',
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
    'Somebody else holds the helm.',
    'Wait, ask the holder, or take it over: action "take", --take on the command line.',
  ),
  lease_lost: row(409, false, 'The helm was taken over, released or has expired.', 'Acquire it again before writing.'),
  taken_over: row(409, false, 'Another writer took the helm.', 'Acquire it again if it should be yours.', 4001),
  helm_free: row(409, true, 'Nobody holds the helm.', 'Acquire it: nobody has to be asked.'),
  holder_unreachable: row(
    409,
    true,
    'Who holds the helm cannot be asked: it has no connection that hears it.',
    'Wait until it is released, or take it over.',
  ),
  asked_lately: row(429, true, 'The holder of the helm was asked a moment ago.', 'Give them a moment to answer.'),
  watcher_not_found: row(404, false, 'Nobody of that id follows the session.', 'See the newest frame "watchers".'),
  watcher_cannot_steer: row(
    409,
    false,
    'They can only watch.',
    'Hand the helm over to somebody whose maySteer is true.',
  ),
  not_subscribed: row(409, false, 'This connection does not follow that session.', 'Subscribe to it first.'),
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
    'Send the messages of one client in order, from the number that is named.',
  ),
  no_job: row(
    409,
    true,
    'There is no running job that could get the signal.',
    'Send SIGTERM or SIGKILL to end the shell itself.',
  ),

  // Limits
  too_many_sessions: row(429, true, 'The limit of sessions is reached.', 'Delete one, or raise serve --max-sessions.'),
  too_many_viewers: row(
    429,
    true,
    'The limit of viewers is reached.',
    'Close one, or raise serve --max-viewers.',
    4029,
  ),
  too_many_subscriptions: row(
    429,
    true,
    'The limit of subscriptions of this connection is reached.',
    'Unsubscribe from one first.',
  ),
  too_slow: row(408, true, 'The viewer took nothing for too long.', 'Connect again from the last position.', 4008),
  no_pong: row(408, true, 'The connection gave no sign of life.', 'Connect again from the last position.', 4009),

  // On the way (raised by clients)
  unreachable: row(503, true, 'The gateway does not answer.', 'Is it running? Start it with binnacle serve.'),
  connection_lost: row(
    503,
    true,
    'The connection was lost before the answer came.',
    'It is not known whether the request acted: look, then send it again.',
  ),
  client_closed: row(499, false, 'The client was closed.', 'Make a new one.'),

  // Us
  pty_unavailable: row(
    501,
    false,
    'No terminal can be opened here: the native part is missing.',
    'Install Binnacle again without --omit=optional, or start on pipes: "mode": "pipe", binnacle run --pipe.',
  ),
  start_failed: row(500, false, 'The program could not be started.', 'See the message and the gateway log.'),
  runner_unavailable: row(
    503,
    true,
    'The process that owns this program does not answer.',
    'Try again; binnacle doctor tells more.',
    4503,
  ),
  going_away: row(503, true, 'The gateway is stopping. Programs go on.', 'Connect again from the last position.', 1012),
  disk_full: row(
    507,
    true,
    'The disk is full; programs wait until there is room.',
    'Free some space, or shorten the retention.',
  ),
  data_dir_in_use: row(409, false, 'Another gateway uses this data directory.', 'Stop it, or pass another --data.'),
  catalogue_damaged: row(
    500,
    false,
    'The catalogue (catalogue.db in the data directory) is damaged.',
    'Stop the gateway and make it anew from the logs: binnacle doctor --rebuild-catalogue',
  ),
  bad_config: row(
    500,
    false,
    'The config file is wrong.',
    'Correct the line that is named, and start again. docs/routing.md shows what a config file looks like.',
  ),
  bad_data_dir: row(
    500,
    false,
    'The data directory is not safe to use.',
    'It must be a directory of your own with mode 0700.',
  ),
  invariant: row(500, false, 'Something that cannot happen happened.', 'Please report it with the gateway log.'),
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
