// The OpenAPI 3.1 document of the routes.

import { CODES, type CodeRow, defined } from '@binnacle/protocol';
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { routeTargetOf } from '../../access/guest-policy.ts';
import { ErrorShape } from './answer.ts';
import { operationOf, TAGS } from './operations.ts';
import { type HttpRoute, isOurs, z } from './routes.ts';

const ErrorBody = z.object({ error: ErrorShape }).openapi('Error');

/** Names of failure responses in generated clients, by status. */
const FAILURES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Gone',
  413: 'TooLarge',
  415: 'WrongContentType',
  416: 'OutOfRange',
  421: 'WrongHost',
  429: 'TooMany',
  500: 'Failed',
  503: 'Unavailable',
  507: 'DiskFull',
};

const ABOUT =
  'Runs coding agents and shells in real terminals, shows them live, and lets people steer them. What it promises is in ' +
  'PROTOCOL.md; WebSockets and event streams are in /asyncapi.json.';

/**
 * Builds the document without `servers`, which depend on the client. Throws for a schema that OpenAPI cannot express.
 */
export function describeRoutes(routes: readonly HttpRoute[], version: string): object {
  const { openAPIRegistry: registry, getOpenAPI31Document } = new OpenAPIHono();
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'login', {
    type: 'apiKey',
    in: 'cookie',
    name: 'binnacle_PORT',
    description: 'One half of a browser login. The other is the key of POST /v1/login, as the header Binnacle-Key.',
  });
  // Only the gateway's own failure; failures of dialects are described with their routes.
  registry.register('Error', ErrorBody);
  for (const [status, name] of Object.entries(FAILURES)) {
    registry.registerComponent('responses', name, {
      description: codesOf(Number(status)),
      content: { 'application/json': { schema: ERROR_REF } },
    });
  }
  const shown = routes.filter((one) => one.hidden !== true);
  for (const one of shown) registry.registerPath(describe(one));
  const info = { title: 'Binnacle', version, description: ABOUT, license: { name: 'MIT', identifier: 'MIT' } };
  const used = new Set(shown.map((one) => operationOf(one).tag));
  const tags = Object.entries(TAGS).flatMap(([name, description]) =>
    used.has(name as keyof typeof TAGS) ? [{ name, description }] : [],
  );
  const document = getOpenAPI31Document.call({ openAPIRegistry: registry }, { openapi: '3.1.0', info, tags });
  return nameSchemas(document as unknown as OpenApiDocument);
}

/** Lists all codes with a status, with their messages. */
function codesOf(status: number): string {
  const rows = Object.entries(CODES as Readonly<Record<string, CodeRow>>).filter(([, row]) => row.status === status);
  return rows.map(([code, { message }]) => `\`${code}\`: ${message}`).join('\n');
}

/** Query parameters that name a position in a log. */
const OFFSETS = ['since', 'position', 'at'];

/** Returns the failure statuses that the kind of an operation implies. All other failures are `default`. */
function failuresOf({ method, scope, params, query, body }: HttpRoute): readonly number[] {
  const isRead = method === 'get';
  return [
    ...(params === undefined && query === undefined && body === undefined && isRead ? [] : [400]),
    ...(scope === 'public' ? [] : [401, 403]),
    ...(params === undefined ? [] : [404, 410]),
    ...(isRead ? [] : [409]),
    ...(query instanceof z.ZodObject && OFFSETS.some((name) => name in query.shape) ? [416] : []),
    ...(body === undefined ? [] : [413, ...(body === 'bytes' ? [] : [415])]),
    421,
    429,
    500,
    ...(isRead ? [503] : [503, 507]),
  ];
}

const ERROR_REF = { $ref: '#/components/schemas/Error' };
const errorAnswer = (schema: unknown) => ({ description: 'A failure.', content: { 'application/json': { schema } } });

interface JsonContent {
  readonly content?: Record<string, { schema?: Record<string, unknown> }>;
}
interface DescribedOperation {
  readonly operationId: string;
  readonly requestBody?: JsonContent;
  readonly responses: Record<string, JsonContent>;
}
interface OpenApiDocument {
  readonly components: { readonly schemas: Record<string, unknown> };
  readonly paths: Record<string, Record<string, DescribedOperation>>;
}

/** Names each anonymous body after its operation. Generators would otherwise call it `Body17`, each in its own way. */
function nameSchemas(document: OpenApiDocument): OpenApiDocument {
  const { schemas } = document.components;
  const name = (content: JsonContent['content'], called: string): void => {
    const json = content?.['application/json'];
    if (json?.schema === undefined || json.schema.$ref !== undefined || Object.keys(json.schema).length === 0) return;
    if (schemas[called] !== undefined) throw new Error(`Two schemas are called ${called}.`);
    schemas[called] = json.schema;
    json.schema = { $ref: `#/components/schemas/${called}` };
  };
  for (const operation of Object.values(document.paths).flatMap((methods) => Object.values(methods))) {
    const { operationId, requestBody, responses } = operation;
    const called = operationId.charAt(0).toUpperCase() + operationId.slice(1);
    name(requestBody?.content, `${called}Body`);
    for (const [status, answer] of Object.entries(responses)) {
      if (/^2/.test(status)) name(answer.content, `${called}Result`);
    }
  }
  return document;
}

type RouteConfig = Parameters<typeof createRoute>[0];

function describe(one: HttpRoute) {
  const { method, path, summary, description, scope, params, query, headers, body } = one;
  const { operationId, tag } = operationOf(one);
  const guests = routeTargetOf(method, path);
  const needed = scope === 'public' ? 'Needs no token.' : `Needs the scope \`${scope}\`.`;
  return createRoute({
    method,
    operationId,
    tags: [tag],
    path: path.replace(/[:*]([A-Za-z0-9]+)/g, '{$1}'),
    summary,
    // Marks routes that ignore unknown fields; all other routes refuse them.
    ...(isOurs(one) ? {} : { 'x-unknown-fields': 'ignored' }),
    ...(scope === 'public' ? {} : { 'x-scope': scope }),
    // Target of the share links that reach the address; `self`: any share link reaches it.
    ...defined({ 'x-guests': guests }),
    description: description === undefined ? needed : `${description}\n\n${needed}`,
    security: scope === 'public' ? [] : [{ bearer: [] }, { login: [] }],
    request: {
      ...defined({ params, query, headers }),
      ...(body === undefined ? {} : { body: { content: bodyContent(body), required: isNeeded(body) } }),
    } as NonNullable<RouteConfig['request']>,
    responses: {
      ...Object.fromEntries(Object.entries(one.responses).map(([status, answer]) => [status, describeAnswer(answer)])),
      ...failureAnswers(one),
    } as RouteConfig['responses'],
  });
}

/**
 * Describes the failures of a route. All failures of a dialect share one unnamed schema. `4XX` would be shorter, but
 * not every generator supports it.
 */
function failureAnswers(one: HttpRoute): object {
  const { dialect } = one;
  const named = failuresOf(one).map((status) => [
    status,
    dialect === undefined ? { $ref: `#/components/responses/${FAILURES[status]}` } : errorAnswer(dialect.schema),
  ]);
  return { ...Object.fromEntries(named), default: errorAnswer(dialect?.schema ?? ErrorBody) };
}

const BINARY = { type: 'string', format: 'binary' } as const;

/** Returns true if the body is required. An omitted JSON body counts as an empty object. */
function isNeeded(body: z.ZodType | 'bytes'): boolean {
  if (body === 'bytes') return false;
  try {
    return !body.safeParse({}).success;
  } catch {
    // Some field schemas throw their own error codes.
    return true;
  }
}

const bodyContent = (body: z.ZodType | 'bytes') =>
  body === 'bytes' ? { 'application/octet-stream': { schema: BINARY } } : { 'application/json': { schema: body } };

function describeAnswer({ description, schema, type }: HttpRoute['responses'][number]) {
  if (schema !== undefined) return { description, content: { [type ?? 'application/json']: { schema } } };
  return type === undefined ? { description } : { description, content: { [type]: { schema: BINARY } } };
}
