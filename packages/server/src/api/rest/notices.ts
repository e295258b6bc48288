// The route for reading the notices of plugins. /v1/ws also sends new notices.

import type { Notices } from '../../plugins/notices.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';
import { numberIn } from '../schemas/fields.ts';

const Notice = z.object({ n: z.number(), at: z.number(), plugin: z.string(), title: z.string(), text: z.string() });
const List = z.object({ notices: z.array(Notice), next: z.number() });

export function noticeRoutes(notices: Notices): HttpRoute[] {
  return [
    route('get', '/v1/notices', 'view', {
      summary: 'List the notices of plugins: the last 200, until the gateway is restarted.',
      query: z.strictObject({ after: numberIn(0, Number.MAX_SAFE_INTEGER).optional() }),
      responses: { 200: { description: 'Oldest first. Continue with after=next.', schema: List } },
      handler: ({ query }) => json(notices.after(query.after)),
    }),
  ];
}
