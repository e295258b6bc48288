// `/pty` of the sandbox daemon: parse, delegate, respond. pty-socket.ts has its WebSocket.

import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';
import { CellCount, CommandArgument, text } from '../schemas/fields.ts';
import { expandCwd, requireDirectory } from './cwd.ts';
import { EXECD } from './errors.ts';
import type { Ptys } from './ptys.ts';
import { Envs, empty, nothingOr } from './schemas.ts';

const Id = z.object({ id: z.string() });
const PtyStatus = z
  .object({ session_id: z.string(), running: z.boolean(), output_offset: z.number() })
  .openapi('ExecdPty');

/** Columns or rows. Python clients send null for omitted fields. */
const NullableSize = nothingOr(CellCount).openapi({ type: ['integer', 'null'], minimum: 1, maximum: 65_535 });

const NewPty = z.object({
  cwd: nothingOr(text(4096)),
  command: nothingOr(CommandArgument),
  /** Extensions of this gateway. */
  cols: NullableSize,
  rows: NullableSize,
  envs: Envs,
});

export function ptyRoutes(access: SessionAccess, ptys: Ptys): HttpRoute[] {
  return [
    route('post', '/pty', 'create', {
      dialect: EXECD,
      summary: 'Ask for a terminal; it is started by the first who attaches (OpenSandbox execd).',
      body: NewPty,
      responses: { 201: { description: 'Its id.', schema: PtyStatus.pick({ session_id: true }) } },
      handler: ({ body }) => {
        const { command, cols, rows, envs } = body;
        const cwd = expandCwd(body.cwd, envs);
        if (cwd !== undefined) requireDirectory(cwd);
        const spec = { cwd, cols, rows, envs, command: command === '' ? undefined : command };
        return json({ session_id: ptys.create(spec) }, { status: 201 });
      },
    }),
    route('get', '/pty/:id', 'view', {
      dialect: EXECD,
      summary: 'How a terminal stands (OpenSandbox execd).',
      params: Id,
      responses: { 200: { description: 'Where its output is.', schema: PtyStatus } },
      handler: async ({ params: { id }, principal }) => {
        const seen = access.seenBy(principal);
        if (!('record' in ptys.find(seen, id))) return json({ session_id: id, running: false, output_offset: 0 });
        const { running, outputOffset } = await seen.info(id);
        return json({ session_id: id, running, output_offset: outputOffset });
      },
    }),
    route('delete', '/pty/:id', 'create', {
      dialect: EXECD,
      summary: 'End a terminal and everything that it started (OpenSandbox execd).',
      params: Id,
      responses: { 200: { description: 'Gone.' } },
      handler: async ({ params, principal }) => {
        await ptys.delete(access.seenBy(principal), params.id);
        return empty();
      },
    }),
  ];
}
