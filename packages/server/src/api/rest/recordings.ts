// The REST routes of recordings: exports of sessions and conversations, and imports as sessions.

import { BinnacleError, CAST_VERSIONS, defined, EXPORT_FORMATS, type ExportFormat } from '@binnacle/protocol';
import { headerValues } from '../../access/host-origin.ts';
import { callerKeyOf, type Principal } from '../../access/principal.ts';
import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import type { FairScheduler } from '../../base/fair-scheduler.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { CastVersion } from '../../recording/asciicast-lines.ts';
import { CastWriter } from '../../recording/asciicast-writer.ts';
import { ConversationJsonl, ConversationMarkdown } from '../../recording/conversation-writers.ts';
import { EntryLines } from '../../recording/entry-lines.ts';
import { openEntryLog } from '../../recording/entry-log.ts';
import { attachment, safeFileName } from '../../recording/file-name.ts';
import { type Recordings, tooLarge } from '../../recording/import.ts';
import { JsonlWriter } from '../../recording/jsonl-writer.ts';
import { MarkdownWriter } from '../../recording/markdown-writer.ts';
import { TextWriter } from '../../recording/text-writer.ts';
import type { ExportWriter, RecordedSession } from '../../recording/writer.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, route, TAKEN_OVER, z } from '../http/routes.ts';
import { Flag, Offset, text } from '../schemas/fields.ts';
import { writeExport } from '../stream/export.ts';
import type { Liveness } from '../stream/liveness.ts';
import { OfConversation } from './conversations.ts';

export interface RecordingParts {
  readonly access: SessionAccess;
  readonly conversations: Conversations;
  readonly recordings: Recordings;
  readonly liveness: Liveness;
  readonly scheduler: FairScheduler;
  /** Throws if the principal's token has ended meanwhile. */
  assertLive(principal: Principal): void;
}

/** Limits of concurrent exports per caller, until they reach the head. A paused replay counts, too. */
const EXPORTS = { limit: 8, waiting: 32 };

const FORMS: Readonly<Record<ExportFormat, { readonly type: string; readonly extension: string }>> = {
  cast: { type: 'application/x-asciicast', extension: 'cast' },
  text: { type: 'text/plain; charset=utf-8', extension: 'txt' },
  jsonl: { type: 'application/x-ndjson', extension: 'jsonl' },
  markdown: { type: 'text/markdown; charset=utf-8', extension: 'md' },
};
const WrittenVersion = z.enum(CAST_VERSIONS.map(String) as ['2', '3']).transform((text) => Number(text) as CastVersion);
/** Maximum pause in seconds: no viewer waits longer than a day. */
const IdleLimit = z
  .string()
  .regex(/^\d{1,5}(\.\d{1,3})?$/, 'seconds')
  .transform(Number)
  .refine((seconds) => seconds > 0 && seconds <= 86_400, 'more than 0 and at most 86400 seconds');

const ImportResult = z
  .object({
    session: z.looseObject({ id: z.string(), name: z.string(), state: z.string() }),
    recording: z.object({
      version: z.number(),
      events: z.number(),
      skipped: z.number(),
      inputDropped: z.number(),
      timesMended: z.number(),
      isCut: z.boolean(),
    }),
  })
  .openapi('ImportedRecording');

export function recordingRoutes(parts: RecordingParts): HttpRoute[] {
  const exports = new ConcurrencyLimit(EXPORTS);
  return [sessionExport(parts, exports), conversationExport(parts, exports), recordingImport(parts)];
}

function sessionExport(
  { access, liveness, scheduler, assertLive }: RecordingParts,
  exports: ConcurrencyLimit,
): HttpRoute {
  return route('get', '/v1/sessions/:id/export', 'view', {
    summary:
      'The whole session as a file: asciicast (version 3, or 2), plain text, lines of JSON, or Markdown; ' +
      'as lines of JSON also a part of it (since, until), and exactly (encoding=base64).',
    params: z.object({ id: z.string() }),
    query: z.strictObject({
      format: z.enum(EXPORT_FORMATS).optional(),
      version: WrittenVersion.optional(),
      input: Flag.optional(),
      idle_limit: IdleLimit.optional(),
      follow: Flag.optional(),
      since: Offset.optional(),
      until: Offset.optional(),
      encoding: z.enum(['text', 'base64']).optional(),
    }),
    responses: { 200: { description: 'The file.', type: FORMS.cast.type } },
    handler: async ({ params, query, principal, takeOver }) => {
      const seen = access.seenBy(principal);
      seen.get(params.id);
      const { format = 'cast', version, input = false, follow = false, idle_limit: idleLimit } = query;
      const { since, until, encoding = 'text' } = query;
      if (format !== 'cast' && version !== undefined) throw notCast();
      if (format !== 'jsonl' && (since ?? until ?? query.encoding) !== undefined) throw notLines();
      if (until !== undefined && until < (since ?? 0))
        throw new BinnacleError('bad_offset', { message: 'until is before since.' });
      const by = callerKeyOf(principal);
      const { over } = await exports.run(by, async () => {
        // Checked again after the wait in the queue.
        assertLive(principal);
        const session = seen.get(params.id);
        await session.refresh();
        const info = seen.infoOf(session);
        const entries = openEntryLog(session);
        try {
          const written = writeExport({
            log: entries.log,
            ...(since === undefined ? {} : { from: await positionOf(entries.log, { offset: since }) }),
            ...defined({ until }),
            writer:
              encoding === 'base64'
                ? new EntryLines({ since: since ?? 0, input })
                : writerOf(format, info, { input, version, ...defined({ idleLimit }) }),
            headers: headersOf(format, info.name, info.id),
            shown: (entry) => seen.entryOf(entry),
            follow,
            isOver: () => entries.isOver(),
            response: seen.takeOver(session, takeOver),
            ...{ liveness, scheduler, by },
          });
          void written.over.then(() => entries.close());
          await written.reached;
          return written;
        } catch (error) {
          entries.close();
          throw error;
        }
      });
      await over;
      return TAKEN_OVER;
    },
  });
}

function conversationExport(
  { conversations, liveness, scheduler, assertLive }: RecordingParts,
  exports: ConcurrencyLimit,
): HttpRoute {
  return route('get', '/v1/conversations/:key/export', 'view', {
    summary: 'Export a conversation as Markdown or as lines of JSON.',
    params: OfConversation,
    query: z.strictObject({ format: z.enum(['markdown', 'jsonl']).optional() }),
    responses: { 200: { description: 'The file.', type: FORMS.markdown.type } },
    handler: async ({ params, query, principal, takeOver }) => {
      const { format = 'markdown' } = query;
      const by = callerKeyOf(principal);
      await exports.run(by, async () => {
        assertLive(principal);
        const conversation = await conversations.get(params.key, principal);
        const info = conversations.infoOf(conversation, principal);
        const response = takeOver();
        const release = conversations.hold(conversation);
        const unwatch = conversations.onLoss(conversation, principal, () => response.destroy());
        try {
          await writeExport({
            log: conversation.log,
            writer: format === 'jsonl' ? new ConversationJsonl(info) : new ConversationMarkdown(info),
            headers: headersOf(format, info.title === '' ? info.key : info.title, 'conversation'),
            shown: (entry) => entry,
            follow: false,
            isOver: () => false,
            ...{ response, liveness, scheduler, by },
          }).over;
        } finally {
          unwatch();
          release();
        }
      });
      return TAKEN_OVER;
    },
  });
}

function recordingImport({ recordings, assertLive }: RecordingParts): HttpRoute {
  return route('post', '/v1/recordings', 'create', {
    summary: 'Create a session from a recording. The body is an asciicast file of version 1, 2 or 3.',
    query: z.strictObject({ name: text(200).min(1).optional(), input: Flag.optional() }),
    responses: {
      201: { description: 'The session. It can be watched and searched like any other.', schema: ImportResult },
    },
    handler: async ({ query, principal, request }) => {
      const { maxBytes } = recordings;
      if (headerValues(request, 'content-encoding').some((encoding) => encoding.toLowerCase() !== 'identity')) {
        throw new BinnacleError('bad_content_type', {
          message: 'Compressed bodies are not accepted.',
          hint: 'Send the file without Content-Encoding.',
        });
      }
      if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
      try {
        const { session, counts } = await recordings.import(request.iterator({ destroyOnReturn: false }), {
          user: principal.user,
          name: query.name,
          input: query.input ?? false,
          check: () => assertLive(principal),
        });
        const { info } = session;
        const headers = { Location: `/v1/sessions/${info.id}` };
        return json({ session: info, recording: counts }, { status: 201, headers });
      } finally {
        // Discards the rest of a refused file: the client reads the response only after sending everything.
        request.resume();
      }
    },
  });
}

const notCast = (): BinnacleError =>
  new BinnacleError('bad_request', {
    message: 'Only asciicast has versions.',
    hint: 'Pass version with format=cast, or leave it out.',
  });

const notLines = (): BinnacleError =>
  new BinnacleError('bad_request', {
    message: 'Only lines of JSON can be a part of a session.',
    hint: 'Pass format=jsonl with since, until and encoding.',
  });

function writerOf(
  format: ExportFormat,
  session: RecordedSession,
  {
    version,
    ...options
  }: { readonly input: boolean; readonly idleLimit?: number; readonly version: CastVersion | undefined },
): ExportWriter {
  switch (format) {
    case 'cast':
      return new CastWriter(session, version === undefined ? options : { ...options, version });
    case 'text':
      return new TextWriter();
    case 'jsonl':
      return new JsonlWriter(session, options);
    case 'markdown':
      return new MarkdownWriter(session, options);
  }
}

function headersOf(format: ExportFormat, name: string, fallback: string): Record<string, string> {
  const { type, extension } = FORMS[format];
  return { 'Content-Type': type, 'Content-Disposition': attachment(safeFileName(name, fallback, extension)) };
}
