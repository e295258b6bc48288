// `/ping` and `/metrics`, and explicit errors for the sandbox daemon's routes that this gateway does not serve.

import { BinnacleError } from '@binnacle/protocol';
import { headerValues } from '../../access/host-origin.ts';
import { type HttpMethod, type HttpRoute, json, respond, route, z } from '../http/routes.ts';
import { EXECD } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { empty } from './schemas.ts';

/** Unsupported routes, and the alternative to each. */
const MISSING: readonly {
  readonly why: string;
  readonly routes: readonly (readonly [HttpMethod, string])[];
}[] = [
  {
    why: 'Files are not served. Read and write them with commands.',
    routes: [
      ['delete', '/files'],
      ['get', '/files/info'],
      ['post', '/files/mv'],
      ['post', '/files/permissions'],
      ['get', '/files/search'],
      ['post', '/files/replace'],
      ['post', '/files/upload'],
      ['get', '/files/download'],
      ['get', '/directories/list'],
      ['post', '/directories'],
      ['delete', '/directories'],
    ],
  },
  {
    why: 'There is no code interpreter. Run an interpreter as a command.',
    routes: [
      ['post', '/code'],
      ['post', '/code/context'],
      ['get', '/code/contexts'],
      ['delete', '/code/contexts'],
      ['get', '/code/contexts/:id'],
      ['delete', '/code/contexts/:id'],
    ],
  },
  {
    why: 'There are no isolated sessions: programs run as the user of the gateway.',
    routes: [
      ['post', '/v1/isolated/session'],
      ['get', '/v1/isolated/sessions'],
      ['get', '/v1/isolated/session/:id'],
      ['delete', '/v1/isolated/session/:id'],
      ['post', '/v1/isolated/session/:id/run'],
    ],
  },
  { why: 'Metrics are not streamed. Ask /metrics again.', routes: [['get', '/metrics/watch']] },
];

const Machine = z
  .object({
    cpu_count: z.number(),
    cpu_used_pct: z.number(),
    mem_total_mib: z.number(),
    mem_used_mib: z.number(),
    timestamp: z.number(),
  })
  .openapi('ExecdMetrics');

export function machineRoutes(metrics: Metrics): HttpRoute[] {
  return [
    route('get', '/ping', 'view', {
      dialect: EXECD,
      summary: 'Whether the gateway answers and the token is valid (OpenSandbox execd).',
      responses: { 200: { description: 'The process answers.' } },
      handler: () => empty(),
    }),
    route('get', '/metrics', 'view', {
      dialect: EXECD,
      summary: 'Numbers of the gateway, for Prometheus.',
      description: 'With the header X-EXECD-ACCESS-TOKEN: load of the machine as JSON, as OpenSandbox execd has it.',
      responses: {
        200: { description: 'Text for Prometheus, or JSON.', schema: Machine },
      },
      handler: async ({ request }) => {
        if (headerValues(request, 'x-execd-access-token').length > 0) return json(metrics.machine());
        const { text, type } = await metrics.prometheus();
        return respond(text, { headers: { 'Content-Type': type } });
      },
    }),
    ...MISSING.flatMap(({ why, routes }) => routes.map(([method, path]) => missing(method, path, why))),
  ];
}

const missing = (method: HttpMethod, path: string, why: string): HttpRoute =>
  route(method, path, 'view', {
    dialect: EXECD,
    summary: 'Not offered.',
    hidden: true,
    ...(path.includes(':') ? { params: z.object({ id: z.string() }) } : {}),
    responses: {},
    handler: () => {
      throw new BinnacleError('not_supported', { message: why });
    },
  });
