// The only route of OpenSandbox's lifecycle server that its clients need to find the daemon. Every sandbox and port
// resolves to this gateway.

import { defined } from '@binnacle/protocol';
import { tokensOf } from '../../access/token-headers.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';
import { LIFECYCLE } from './errors.ts';

const Endpoint = z.object({ endpoint: z.string(), headers: z.record(z.string(), z.string()) }).openapi('ExecdEndpoint');

export const endpointRoutes = (): HttpRoute[] => [
  route('get', '/v1/sandboxes/:id/endpoints/:port', 'view', {
    dialect: LIFECYCLE,
    summary: 'Where the daemon of a sandbox is: here (OpenSandbox lifecycle API).',
    description: 'Any sandbox and any port. The headers carry the token that came with the request.',
    params: z.object({ id: z.string(), port: z.string() }),
    responses: { 200: { description: 'Host, port and path without a scheme.', schema: Endpoint } },
    handler: ({ request, base }) => {
      const [token] = tokensOf(request, LIFECYCLE.tokenHeaders) ?? [];
      return json({
        endpoint: base.replace(/^https?:\/\//, ''),
        headers: defined({ 'X-EXECD-ACCESS-TOKEN': token }),
      });
    },
  }),
];
