// The OpenAPI 3.1 document of the routes. Knows no request.

import { CODES, type Code } from '@binnacle/protocol';
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { isOurs, type Route, z } from './routes.ts';

const ErrorBody = z
  .object({
    error: z.object({
      code: z.enum(Object.keys(CODES) as [Code, ...Code[]]),
      message: z.string(),
      hint: z.string(),
      retryable: z.boolean(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  })
  .openapi('Error');

/** Throws when a schema cannot be written down. */
export function describeRoutes(routes: readonly Route[], version: string): object {
  const { openAPIRegistry: registry, getOpenAPI31Document } = new OpenAPIHono();
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'login', {
    type: 'apiKey',
    in: 'cookie',
    name: 'binnacle_PORT',
    description: 'One half of a browser login. The other is the key of POST /v1/login, as the header Binnacle-Key.',
  });
  for (const one of routes) if (one.hidden !== true) registry.registerPath(describe(one));
  const info = { title: 'Binnacle', version, license: { name: 'MIT', identifier: 'MIT' } };
  return getOpenAPI31Document.call({ openAPIRegistry: registry }, { openapi: '3.1.0', info });
}

type Described = Parameters<typeof createRoute>[0];

function describe(one: Route) {
  const { method, path, summary, description, scope, params, query, headers, body } = one;
  const needed = scope === 'public' ? 'Needs no token.' : `Needs the scope \`${scope}\`.`;
  return createRoute({
    method,
    path: path.replace(/[:*]([A-Za-z0-9]+)/g, '{$1}'),
    summary,
    // Readers of the document are told: what is not named is refused everywhere else.
    ...(isOurs(one) ? {} : { 'x-unknown-fields': 'ignored' }),
    description: description === undefined ? needed : `${description}\n\n${needed}`,
    security: scope === 'public' ? [] : [{ bearer: [] }, { login: [] }],
    request: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body: { content: bodyContent(body) } }),
    } as NonNullable<Described['request']>,
    responses: {
      ...Object.fromEntries(Object.entries(one.responses).map(([status, answer]) => [status, describeAnswer(answer)])),
      default: {
        description: 'A failure.',
        content: { 'application/json': { schema: one.dialect?.schema ?? ErrorBody } },
      },
    },
  });
}

const BINARY = { type: 'string', format: 'binary' } as const;

const bodyContent = (body: z.ZodType | 'bytes') =>
  body === 'bytes' ? { 'application/octet-stream': { schema: BINARY } } : { 'application/json': { schema: body } };

function describeAnswer({ description, schema, type }: Route['responses'][number]) {
  if (schema !== undefined) return { description, content: { [type ?? 'application/json']: { schema } } };
  return type === undefined ? { description } : { description, content: { [type]: { schema: BINARY } } };
}
