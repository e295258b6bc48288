// Routes that describe this gateway and its abilities, and prove its identity before a command of the same user sends a
// token.

import { type BinnacleError, type GatewayInfo, PROTOCOL_VERSION } from '@binnacle/protocol';
import { type HttpRoute, json, PUBLIC_BODY_BYTES, route, z } from '../http/routes.ts';

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
/** Fails to compile if the schema and the protocol package differ. */
const describe = (info: GatewayInfo): z.output<typeof Info> => info;

export interface InfoParts {
  readonly version: string;
  /** Checks for terminals on each call: a missing package may have been installed meanwhile. */
  terminalProblem(): BinnacleError | undefined;
  /** Returns the response to a nonce that only this gateway can compute; see data-dir/gateway-file.ts. */
  proofOf(nonce: string): string;
}

export const infoRoutes = ({ version, terminalProblem, proofOf }: InfoParts): HttpRoute[] => [
  route('get', '/v1/info', 'view', {
    summary: 'Show version and features of this gateway.',
    responses: { 200: { description: 'The version, and whether terminals can be opened.', schema: Info } },
    handler: () => {
      const problem = terminalProblem();
      const terminals =
        problem === undefined
          ? ({ available: true } as const)
          : ({ available: false, code: 'pty_unavailable', message: problem.message, hint: problem.hint } as const);
      return json(describe({ version, protocol: PROTOCOL_VERSION, terminals }));
    },
  }),
  route('post', '/v1/proof', 'public', {
    summary: 'Prove which gateway this is.',
    description:
      'Returns the HMAC-SHA256 of the nonce with the key in gateway.json. Only a reader of the data directory can check the proof.',
    bodyLimit: PUBLIC_BODY_BYTES,
    body: z.strictObject({ nonce: z.string().regex(/^[A-Za-z0-9_-]{16,128}$/, '16 to 128 of A-Z a-z 0-9 _ -') }),
    responses: { 200: { description: 'The proof in base64url.', schema: z.object({ proof: z.string() }) } },
    handler: ({ body }) => json({ proof: proofOf(body.nonce) }),
  }),
];
