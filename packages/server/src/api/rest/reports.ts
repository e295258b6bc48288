// The route for status reports from programs inside a session. The session's secret is their only credential.

import { BinnacleError, STATUS_STATES } from '@binnacle/protocol';
import type { SessionActivities } from '../../activity/session-activities.ts';
import type { SessionReporters } from '../../reporting/session-reporters.ts';
import { type HttpRoute, noContent, route, z } from '../http/routes.ts';

const MAX_BODY_BYTES = 16 * 1024;

export function reportRoutes(reporters: SessionReporters, activities: SessionActivities): HttpRoute[] {
  return [
    route('post', '/v1/sessions/:id/report', 'public', {
      summary: 'Report the state of a session from inside it, with the secret in its environment.',
      description: 'For hooks of agents. The session must run.',
      params: z.object({ id: z.string().max(100) }),
      headers: z.object({ 'binnacle-session-secret': z.string().max(200).optional() }),
      body: z.strictObject({
        state: z.enum([...STATUS_STATES]),
        reason: z.enum(['permission', 'question', 'auth']).optional(),
        text: z.string().max(2000).optional(),
        at: z.number().int().min(0).optional(),
      }),
      bodyLimit: MAX_BODY_BYTES,
      responses: { 204: { description: 'The state applies until the next report.' } },
      handler: ({ params: { id }, headers, body }) => {
        const secret = headers['binnacle-session-secret'] ?? '';
        if (!reporters.isSecretOf(id, secret)) {
          throw new BinnacleError('unauthorized', { message: 'The secret is not that of the session.' });
        }
        if (!activities.report(id, body)) throw new BinnacleError('session_not_found');
        return noContent();
      },
    }),
  ];
}
