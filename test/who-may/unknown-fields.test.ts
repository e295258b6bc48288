// Unknown fields of requests are refused: walked over every operation of the OpenAPI document.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

/** A schema of the document, as far as this walk reads one. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

interface Operation {
  readonly 'x-unknown-fields'?: 'ignored';
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

const FIELD = 'nosuchfield';
/** Their protocols are others' or say that more may come; everything else is ours. */
const IGNORING = [
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/oauth-authorization-server/{suffix}',
  'GET /.well-known/oauth-protected-resource',
  'GET /.well-known/oauth-protected-resource/{suffix}',
  'GET /oauth/authorize',
  'POST /oauth/register',
  'POST /oauth/revoke',
  'POST /oauth/token',
  'DELETE /code',
  'DELETE /command',
  'DELETE /pty/{id}',
  'DELETE /session/{id}',
  'GET /command/status/{id}',
  'GET /command/{id}/logs',
  'GET /asyncapi.json',
  'GET /healthz',
  'GET /metrics',
  'GET /openapi.json',
  'GET /ping',
  'GET /pty/{id}',
  'GET /readyz',
  'GET /session/{id}',
  'GET /v1/sandboxes/{id}/endpoints/{port}',
  'POST /command',
  'POST /mcp',
  'POST /pty',
  'POST /session',
  'POST /session/{id}/run',
  'POST /v1/pty-traffic/emit',
  'PUT /v1/push/subscription',
].sort();

async function operations() {
  const { paths, components } = (await gateway.ask('/openapi.json', { token: null })).json;
  const all = Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, 'x'),
      operation,
    })),
  );
  return { all, schemas: components.schemas as Record<string, Schema> };
}

/** Bodies with one field too much: at the top, and in every object below it. */
function bodiesOf(schema: Schema, schemas: Record<string, Schema>): unknown[] {
  if (schema.$ref !== undefined) return bodiesOf(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, schemas);
  if (schema.items !== undefined) return bodiesOf(schema.items, schemas).map((one) => [one]);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.flatMap((choice) => bodiesOf(choice, schemas));
  const { properties, additionalProperties: more } = schema;
  if (typeof more === 'object') return bodiesOf(more, schemas).map((one) => ({ x: one }));
  if (properties === undefined) return [];
  // Constants that tell the kinds of one field from each other.
  const kind = Object.entries(properties).flatMap(([name, one]) =>
    one.const === undefined && one.enum?.length !== 1 ? [] : [[name, one.const ?? one.enum?.[0]]],
  );
  return [
    { ...Object.fromEntries(kind), [FIELD]: 1 },
    ...Object.entries(properties).flatMap(([name, one]) => bodiesOf(one, schemas).map((below) => ({ [name]: below }))),
  ];
}

describe('denied-by-default: a field that nobody knows', () => {
  it('does not make a token that never ends', async () => {
    const body = { name: 'an hour', scope: 'view', expiresInMs: 3600_000 };
    const { status, json } = await gateway.ask('/v1/tokens', { body });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({
      code: 'bad_request',
      message: '"expiresInMs" in the body is not known. Did you mean "ttlMs"?',
      hint: 'Leave it out. Known here: name, scope, ttlMs, user.',
      details: { in: 'body', field: 'expiresInMs', nearest: 'ttlMs' },
    });
    expect((await gateway.ask('/v1/tokens')).json.tokens).toEqual([]);
    expect(
      (await gateway.ask('/v1/tokens', { body: { name: 'x', scope: 'view', ttlms: 1 } })).json.error,
    ).toMatchObject({ details: { field: 'ttlms', nearest: 'ttlMs' } });
  });

  it('is refused and named in the query of every operation of ours, and ignored by the ones that say so', async () => {
    const { all } = await operations();
    expect(
      all
        .filter(({ operation }) => operation['x-unknown-fields'] === 'ignored')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(IGNORING);
    let refused = 0;
    for (const { name, method, path } of all.filter((one) => !IGNORING.includes(one.name))) {
      const { status, json, code } = await gateway.ask(`${path}?${FIELD}=1`, { method });
      const isNamed = json?.error?.message?.includes(`"${FIELD}"`) === true;
      const isItsCode = code === 'bad_request' || code === 'bad_filter';
      expect.soft({ name, status, isNamed, isItsCode }).toEqual({ name, status: 400, isNamed: true, isItsCode: true });
      refused += 1;
    }
    expect(refused).toBeGreaterThan(80);
  });

  it('is refused and named in the body of every operation of ours, at the top and in every object below', async () => {
    const { all, schemas } = await operations();
    let refused = 0;
    for (const { name, method, path, operation } of all.filter((one) => !IGNORING.includes(one.name))) {
      const schema = operation.requestBody?.content['application/json']?.schema;
      if (schema === undefined) continue;
      const bodies = bodiesOf(schema, schemas);
      expect.soft({ name, bodies: bodies.length > 0 }).toEqual({ name, bodies: true });
      for (const body of bodies) {
        const { status, json } = await gateway.ask(path, { method, body });
        const isNamed = json?.error?.details?.field?.endsWith(FIELD) === true;
        const sent = JSON.stringify(body);
        expect.soft({ name, sent, status, isNamed }).toEqual({ name, sent, status: 400, isNamed: true });
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(30);
  });

  it('is nothing to the protocols of others', async () => {
    const { status, json } = await gateway.ask('/session?nosuchfield=1', { body: { cwd: '/tmp', nosuchfield: 1 } });
    expect(status).toBe(200);
    expect(json.session_id).toMatch(/\S/);
  });
});
