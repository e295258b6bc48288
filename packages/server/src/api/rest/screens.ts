// The route that returns the current screen of a session's terminal. screen/ draws it.

import { callerKeyOf } from '../../access/principal.ts';
import type { SessionScreens } from '../../screen/session-screens.ts';
import type { RenderedScreen } from '../../screen/wire.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, respond, route, z } from '../http/routes.ts';
import { Offset } from '../schemas/fields.ts';

const ScreenShape = z
  .object({
    offset: z.number(),
    position: z.string(),
    cols: z.number(),
    rows: z.number(),
    data: z.string(),
    scrollback: z.number(),
    drawnFrom: z.number(),
    exact: z.boolean(),
    lines: z.array(z.string()).readonly(),
    cursor: z.object({ row: z.number(), col: z.number() }),
    title: z.string(),
    alternate: z.boolean(),
    applicationKeys: z.boolean(),
  })
  .openapi('Screen');
/** Fails to compile if the schema and the drawn screen differ. */
const describe = (rendered: RenderedScreen): z.output<typeof ScreenShape> => rendered;

export function screenRoutes(access: SessionAccess, screens: SessionScreens): HttpRoute[] {
  return [
    route('get', '/v1/sessions/:id/screen', 'view', {
      summary:
        'What the terminal of a session shows now, or showed at an output offset: as JSON, or its rows as text ' +
        '(Accept: text/plain).',
      params: z.object({ id: z.string() }),
      query: z.strictObject({ format: z.enum(['json', 'text']).optional(), at: Offset.optional() }),
      headers: z.object({ accept: z.string().optional() }),
      responses: { 200: { description: 'The screen.', schema: ScreenShape } },
      handler: async ({ params, query, headers, principal }) => {
        const seen = access.seenBy(principal);
        const at = query.at === undefined ? undefined : { offset: query.at, by: callerKeyOf(principal) };
        const rendered = await screens.of(seen.get(params.id), at);
        // Checks access again: the owner of the session may have changed during the drawing.
        seen.get(params.id);
        const isText = query.format === 'text' || (query.format === undefined && wantsText(headers.accept));
        if (!isText) return json(describe(rendered));
        return respond(`${rendered.lines.join('\n').trimEnd()}\n`, {
          headers: {
            'Content-Type': 'text/plain; charset=utf-8',
            'Binnacle-Next-Offset': String(rendered.offset),
            'Binnacle-Exact': rendered.exact ? '1' : '0',
          },
        });
      },
    }),
  ];
}

const wantsText = (accept: string | undefined): boolean =>
  accept?.includes('text/plain') === true && !accept.includes('application/json');
