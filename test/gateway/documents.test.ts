// The documents that describe the API, as the gateway serves them: complete, named, and true of it.

import { CODES } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly requestBody?: { readonly content: Record<string, { readonly schema: { readonly $ref?: string } }> };
  readonly responses: Record<
    string,
    { readonly $ref?: string; readonly content?: Record<string, { readonly schema: { readonly $ref?: string } }> }
  >;
}

const documentAt = async (path: string, init: RequestInit = {}) => (await gateway.fetch(path, init)).json();

describe('/openapi.json', () => {
  it('has a name and a place for every operation, and a name for every JSON body', async () => {
    const { paths, tags, components } = await documentAt('/openapi.json');
    const all = Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ address: `${method} ${path}`, ...operation })),
    );
    expect(all.length).toBeGreaterThan(100);
    const ids = all.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const known = tags.map(({ name, description }: { name: string; description: string }) => description && name);
    for (const { address, operationId, tags: of, requestBody, responses } of all) {
      // Made of its address: it has no row in packages/server/src/api/http/operations.ts.
      const isMade = operationId.toLowerCase().startsWith(
        address
          .replace(/[^a-z0-9]/gi, '')
          .toLowerCase()
          .slice(0, 12),
      );
      expect
        .soft({ address, operationId, isMade: isMade && /^(get|post|put|patch|delete)V1/.test(operationId) })
        .toEqual({
          ...{ address, operationId, isMade: false },
        });
      expect.soft(known, address).toContain(of[0]);
      const bodies = [requestBody, ...Object.values(responses)].flatMap(
        (one) => one?.content?.['application/json'] ?? [],
      );
      for (const { schema } of bodies) {
        if (Object.keys(schema).length === 0) continue;
        expect
          .soft({ address, schema })
          .toEqual({ address, schema: { $ref: expect.stringMatching(/^#\/components/) } });
        const name = schema.$ref?.split('/').at(-1) ?? '';
        expect.soft(Object.keys(components.schemas), address).toContain(name);
      }
    }
  });

  it('has failures from the table of codes, and says where the gateway is', async () => {
    const { paths, components, servers } = await documentAt('/openapi.json');
    expect(servers).toEqual([{ url: gateway.url, description: expect.any(String) }]);
    const told = Object.values(components.responses as Record<string, { description: string }>)
      .flatMap(({ description }) => [...description.matchAll(/^`(\w+)`: /gm)])
      .map(([, code]) => code);
    const statuses = new Set([400, 401, 403, 404, 409, 410, 413, 415, 416, 421, 429, 500, 503, 507]);
    const wanted = Object.entries(CODES).filter(([, { status }]) => statuses.has(status));
    expect(told.sort()).toEqual(wanted.map(([code]) => code).sort());
    expect(paths['/v1/sessions/{id}/resize'].post.responses).toMatchObject({
      400: { $ref: '#/components/responses/BadRequest' },
      404: { $ref: '#/components/responses/NotFound' },
      409: { $ref: '#/components/responses/Conflict' },
      default: expect.anything(),
    });
  });
});
