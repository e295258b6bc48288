// Route that says what this gateway is and can do, for those who may see it.

import { type BinnacleError, type GatewayInfo, PROTOCOL_VERSION } from '@binnacle/protocol';
import { json, type Route, route, z } from '../http/routes.ts';

const Info = z
  .object({
    version: z.string(),
    protocol: z.number(),
    terminals: z.discriminatedUnion('available', [
      z.object({ available: z.literal(true) }),
      z.object({
        available: z.literal(false),
        code: z.literal('pty_unavailable'),
        message: z.string(),
        hint: z.string(),
      }),
    ]),
  })
  .openapi('GatewayInfo');
/** The description says what the protocol package does, or this does not compile. */
const describe = (info: GatewayInfo): z.output<typeof Info> => info;

export interface InfoParts {
  readonly version: string;
  /** Looks for terminals each time: a missing package may be installed meanwhile. */
  terminalProblem(): BinnacleError | undefined;
}

export const infoRoutes = ({ version, terminalProblem }: InfoParts): Route[] => [
  route({
    method: 'get',
    path: '/v1/info',
    scope: 'view',
    summary: 'What this gateway is and can do.',
    responses: { 200: { description: 'Its version, and whether it can open terminals.', schema: Info } },
    handler: () => {
      const problem = terminalProblem();
      const terminals =
        problem === undefined
          ? ({ available: true } as const)
          : ({ available: false, code: 'pty_unavailable', message: problem.message, hint: problem.hint } as const);
      return json(describe({ version, protocol: PROTOCOL_VERSION, terminals }));
    },
  }),
];
