// One event as an emitter sends it, validated and normalized.

import { BinnacleError, type Code, isEmittedId, type OutputKind, type TrafficMark } from '@binnacle/protocol';
import { z } from 'zod';
import { MAX_ENTRY_BYTES } from '../log/log.ts';
import { hasMoreThan, Labels, line, plain } from '../sessions/labels.ts';

const MAX_COMMAND_BYTES = 64 * 1024;
const MAX_PREVIEW = 500;
const MAX_SOURCE = 64;
/** Maximum fields of an event. The format has fewer. */
const MAX_FIELDS = 32;
/** Maximum length of the name of an unknown field in an answer: the name comes from the sender. */
const MAX_FIELD_NAME = 64;
/** Source of the gateway's own sessions, in filters. */
const OWN_SOURCE = 'local';
const MAX_PRODUCER = 128;
/** Maximum lead of an event's time. Clocks differ by a little; a time further ahead is wrong. */
const MAX_AHEAD_MS = 60_000;
const NO_TIME = 'is neither ms since 1970 nor ISO 8601';
const NOTHING = new Uint8Array(0);

/** Contents of one event. */
export interface EmittedEvent {
  readonly sessionId: string;
  readonly seq: number | null;
  /** Undefined: not given. */
  readonly source: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly stream: OutputKind;
  /** At most one entry of a log. */
  readonly output: Uint8Array;
  readonly cwd: string | undefined;
  readonly size: { readonly cols: number; readonly rows: number } | undefined;
  readonly isFinal: boolean;
  /** Further fields that are stored; without epoch, seq and bytes. */
  readonly mark: Omit<TrafficMark['traffic'], 'epoch' | 'seq' | 'bytes'>;
}

const Count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const Cells = z.number().int().min(1).max(65_535);

const Fields = z.object({
  session_id: z.string(),
  seq: Count.optional(),
  command: z
    .string()
    .refine((text) => text.isWellFormed() && !text.includes('\0'), 'has NUL or half of a character')
    .optional(),
  response: z
    .string()
    .refine((text) => text.isWellFormed(), 'has half of a character: send bytes as response_base64')
    .optional(),
  response_base64: z.string().optional(),
  stream: z.enum(['tty', 'stdout', 'stderr']).optional(),
  exit_code: z
    .number()
    .int()
    .min(-(2 ** 31))
    .max(2 ** 32)
    .nullish(),
  signal: line(32).nullish(),
  is_final: z.boolean().optional(),
  source: line(MAX_SOURCE).min(1).optional(),
  labels: Labels.optional(),
  timestamp: z.union([z.number(), z.string().max(64)], NO_TIME).optional(),
  command_preview: plain(MAX_PREVIEW).optional(),
  response_preview: plain(MAX_PREVIEW).optional(),
  cwd: plain(4096).optional(),
  cols: Cells.optional(),
  rows: Cells.optional(),
  lost_bytes: Count.optional(),
});

/** Event of an emitter. Fields that a later version of the emitter adds are left out; see `unknownFields`. */
const Event = Fields.refine(
  ({ response, response_base64 }) => response === undefined || response_base64 === undefined,
  {
    message: 'has response and response_base64, which do not go together',
  },
)
  .refine(({ cols, rows }) => (cols === undefined) === (rows === undefined), {
    message: 'has one of cols and rows, which go together',
  })
  .refine(({ source }) => source !== OWN_SOURCE, {
    path: ['source'],
    message: `is "${OWN_SOURCE}", which stands for what runs here`,
  });
type RawEvent = z.output<typeof Event>;

/**
 * Checks the number of fields before the schema does: the schema reports every wrong field, which takes seconds for
 * 100,000 of them.
 */
function checkSize(raw: unknown): void {
  if (hasMoreThan(raw, MAX_FIELDS)) throw bad('bad_event', '', `has more than ${MAX_FIELDS} fields`);
}

/**
 * Parses an event. `hasProducer`: every event must have a number, else none may. Throws `bad_event`, `bad_session_id`,
 * `bad_time`, `event_too_large`.
 */
export function parseEvent(raw: unknown, hasProducer: boolean, now: number): EmittedEvent {
  checkSize(raw);
  const result = Event.safeParse(raw);
  if (!result.success) {
    const [issue] = result.error.issues;
    if (issue === undefined) throw new BinnacleError('bad_event');
    throw bad('bad_event', fieldOf(issue), describeIssue(issue, isThere(raw, issue.path)));
  }
  const event = result.data;
  if (!isEmittedId(event.session_id)) throw bad('bad_session_id', 'session_id', 'is not an id');
  if (hasProducer !== (event.seq !== undefined)) {
    throw bad(
      'bad_event',
      'seq',
      hasProducer ? 'is missing: the batch has a producer' : 'needs a producer of the batch',
    );
  }
  return {
    sessionId: event.session_id,
    seq: event.seq ?? null,
    source: event.source,
    labels: event.labels ?? {},
    stream: event.stream ?? 'tty',
    output: outputOf(event),
    cwd: event.cwd,
    size: event.cols === undefined || event.rows === undefined ? undefined : { cols: event.cols, rows: event.rows },
    isFinal: event.is_final === true,
    mark: markOf(event, now),
  };
}

/**
 * Returns the names of the unknown fields of an event: at most as many as an event may have, and 64 characters each.
 *
 * @example unknownFields({ session_id: 's', respnse: 'x' }) // ['respnse']
 */
export function unknownFields(raw: unknown): string[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw) || hasMoreThan(raw, MAX_FIELDS)) return [];
  return Object.keys(raw)
    .filter((name) => !Object.hasOwn(Fields.shape, name))
    .map((name) => name.slice(0, MAX_FIELD_NAME));
}

/** Returns the ids of an event that could not be parsed, for the answer. */
export function namesOf(raw: unknown): { readonly sessionId: string | null; readonly seq: number | null } {
  const { session_id, seq } = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  return {
    sessionId: typeof session_id === 'string' && isEmittedId(session_id) ? session_id : null,
    seq: typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : null,
  };
}

export const Producer = z.strictObject({
  id: z
    .string()
    .max(MAX_PRODUCER)
    .refine(isEmittedId, 'letters, digits and . _ : @ + = , ~ -, beginning with a letter or digit'),
  epoch: Count,
});

function markOf(event: RawEvent, now: number): EmittedEvent['mark'] {
  const { command, command_preview, response_preview, exit_code, signal, lost_bytes } = event;
  if (command !== undefined && Buffer.byteLength(command) > MAX_COMMAND_BYTES) {
    throw tooLarge('command', MAX_COMMAND_BYTES);
  }
  const at = timeOf(event.timestamp, now);
  return {
    ...(at === undefined ? {} : { at }),
    ...(command === undefined ? {} : { command }),
    ...(command_preview === undefined ? {} : { command_preview }),
    ...(response_preview === undefined ? {} : { response_preview }),
    ...(exit_code === undefined ? {} : { exit_code }),
    ...(signal === undefined ? {} : { signal }),
    ...(event.is_final === true ? { is_final: true } : {}),
    ...(lost_bytes === undefined || lost_bytes === 0 ? {} : { lost_bytes }),
  };
}

function outputOf({ response, response_base64 }: RawEvent): Uint8Array {
  if (response_base64 !== undefined) {
    if (response_base64.length > Math.ceil(MAX_ENTRY_BYTES / 3) * 4) throw tooLarge('response_base64', MAX_ENTRY_BYTES);
    // Node skips characters that are not base64; the result would be output that was never sent.
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(response_base64)) {
      throw bad('bad_event', 'response_base64', 'is not base64 with padding');
    }
    const bytes = Buffer.from(response_base64, 'base64');
    if (bytes.length > MAX_ENTRY_BYTES) throw tooLarge('response_base64', MAX_ENTRY_BYTES);
    return bytes;
  }
  if (response === undefined || response === '') return NOTHING;
  const bytes = Buffer.from(response);
  if (bytes.length > MAX_ENTRY_BYTES) throw tooLarge('response', MAX_ENTRY_BYTES);
  return bytes;
}

function timeOf(timestamp: string | number | undefined, now: number): number | undefined {
  if (timestamp === undefined) return undefined;
  const at = typeof timestamp === 'number' ? timestamp : isoTime(timestamp);
  if (!Number.isFinite(at) || at < 0) throw bad('bad_time', 'timestamp', NO_TIME);
  if (at > now + MAX_AHEAD_MS)
    throw bad('bad_time', 'timestamp', `is ${Math.round((at - now) / 1000)} s in the future`);
  return Math.round(at);
}

/**
 * Parses an ISO time. Without a zone it is UTC: Python's `datetime.utcnow().isoformat()` writes such times, and no
 * machine's local time is meant.
 */
function isoTime(text: string): number {
  // Matched as a whole: after a beginning that looks like a time, Date.parse accepts almost anything.
  const [isTime, zone] = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/i.exec(text) ?? [];
  if (isTime === undefined) return Number.NaN;
  const hasZone = zone !== undefined;
  return Date.parse((hasZone ? text : `${text}Z`).replace(' ', 'T'));
}

/** Makes an error. The field's name comes from the sender, and may have any length. */
const bad = (code: Extract<Code, 'bad_event' | 'bad_session_id' | 'bad_time'>, field: string, why: string) => {
  const [name, reason] = [field.slice(0, 100), why.slice(0, 200)];
  return new BinnacleError(code, {
    message: `${name === '' ? 'The event' : `"${name}" of the event`} ${reason}.`,
    details: { field: name },
  });
};

const tooLarge = (field: string, limitBytes: number) =>
  new BinnacleError('event_too_large', {
    message: `"${field}" of the event is over ${limitBytes} bytes.`,
    details: { field, limitBytes },
  });

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  int: 'whole number',
  boolean: 'true or false',
  object: 'object',
  record: 'object',
};

/** `isThere`: true if the event has the field at all. */
function describeIssue(issue: Issue, isThere: boolean): string {
  switch (issue.code) {
    case 'invalid_type':
      return isThere ? `is no ${KINDS[issue.expected] ?? issue.expected}` : 'is missing';
    case 'too_big':
      return `is over ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'too_small':
      return issue.origin === 'string' ? 'is empty' : `is under ${issue.minimum}`;
    case 'invalid_value':
      return `is none of ${issue.values.map(String).join(', ')}`;
    case 'invalid_key': {
      const [inner] = issue.issues;
      return `has a name that ${inner === undefined ? 'is not valid' : describeIssue(inner, true)}`;
    }
    case 'invalid_union':
    case 'custom':
      return issue.message;
    default:
      return 'is not valid';
  }
}

/** Returns the path of the field in usual notation; empty for the whole event. */
const fieldOf = (issue: Issue): string => issue.path.map(String).join('.');

/** Tells whether there is a value at the path, undefined included. */
function isThere(raw: unknown, path: Issue['path']): boolean {
  let at = raw;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false;
    at = (at as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return at !== undefined;
}
