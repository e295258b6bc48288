// Tests what every address refuses, generated from the gateway's list of addresses and its published documents: a new
// route is in these cases without a word here, or fails them by its name.

import { SCOPES, type Scope } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { BAD, type Case, faultsOf } from './cases.fixture.ts';
import { type Contract, contractOf, fill, type Row, takes } from './contract.fixture.ts';
import { sampleOf, UNKNOWN_FIELD, type Wrong, withUnknown, wrongObjects, wrongValues } from './samples.fixture.ts';
import { type Refusal, type Sent, sender } from './send.fixture.ts';

let gateway: Gateway;
let contract: Contract;
let send: (sent: Sent) => Promise<Refusal>;
/** A token of each scope. */
const tokens = new Map<Scope, string>();
beforeAll(async () => {
  gateway = await openGateway();
  contract = await contractOf(gateway);
  send = sender(gateway.url);
  for (const scope of SCOPES) tokens.set(scope, (await gateway.tokenOf(scope)).token);
});

/** Addresses that need no token of ours. Whatever is not here takes one. */
const PUBLIC = [
  // For a program that has no token yet.
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/oauth-authorization-server/{suffix}',
  'GET /.well-known/oauth-protected-resource',
  'GET /.well-known/oauth-protected-resource/{suffix}',
  'GET /oauth/authorize',
  'POST /oauth/register',
  'POST /oauth/revoke',
  'POST /oauth/token',
  'GET /asyncapi.json',
  'GET /healthz',
  'GET /openapi.json',
  'GET /readyz',
  // Exchanges of a ticket, and of the secret of a share link.
  // Says of a gateway to who can read its data directory that it is the one.
  'POST /v1/proof',
  'POST /v1/login',
  'POST /v1/shares/look',
  'POST /v1/shares/redeem',
  // The secret of the session stands for a token.
  'POST /v1/sessions/{id}/report',
];
/** Addresses that take fields which they do not know: their protocols are others', or say that more may come. */
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
];
/** Parts of the page, which asks for a login itself. */
const PAGE = /^GET \/(assets\/[\w.-]+|[\w-]+\.(png|html|js|css|webmanifest))?$/;
/** Scopes that do not do where one is needed (PROTOCOL.md, section 3). */
const TOO_NARROW: Readonly<Record<Scope, readonly Scope[]>> = {
  view: ['ingest'],
  input: ['ingest', 'view'],
  create: ['ingest', 'view', 'input'],
  admin: ['ingest', 'view', 'input', 'create'],
  ingest: ['view', 'input', 'create'],
};

const guarded = (): readonly Row[] => contract.rows.filter(({ scope }) => scope !== undefined);
const routes = (): readonly Row[] => contract.rows.filter(({ isSocket }) => !isSocket);
const admin = (): string => gateway.token;
/** A request that an address would take as far as the documents say, for something that is not there. */
const valid = (row: Row): Sent => {
  const query = Object.entries(row.query).filter(([, { isRequired }]) => isRequired);
  const asked = query.map(([name, { schema }]) => `${name}=${sampleOf(schema, contract.resolve)}`).join('&');
  const params = Object.entries(row.params).map(([name, schema]) => [
    name,
    schema.enum === undefined ? 'nosuch' : String(schema.enum[0]),
  ]);
  const path = fill(row.path, Object.fromEntries(params));
  return { method: row.method, path: asked === '' ? path : `${path}?${asked}`, isUpgrade: row.isSocket };
};
const json = (value: unknown) => ({
  body: typeof value === 'string' ? value : JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});
const inQuery = (path: string, more: string): string => `${path}${path.includes('?') ? '&' : '?'}${more}`;
/** The address with what is asked for in the query, whatever was there by that name. */
const withQuery = (path: string, name: string, value: string): string => {
  const [base = '', before = ''] = path.split('?');
  const query = new URLSearchParams(before);
  query.set(name, value);
  return `${base}?${query}`;
};
/** Routes of OpenSandbox that the gateway does not have (docs/opensandbox.md). */
const NOT_OFFERED = { status: 501, codes: ['not_supported'] };
const JSON_TYPE = { 'content-type': 'application/json' };

describe('every address, by the list of the gateway itself', () => {
  it('is public only where it is listed here', () => {
    const open = contract.rows.filter(({ scope }) => scope === undefined).map(({ name }) => name);
    expect(open.filter((name) => !PAGE.test(name)).sort()).toEqual([...PUBLIC].sort());
  });

  it('answers 401 without a token, whatever else is wrong with the request', async () => {
    const own = `binnacle_${new URL(gateway.url).port}`;
    const inAddress = ['token', 'access_token', 'ticket', 'authorization']
      .map((name) => `${name}=${admin()}`)
      .join('&');
    const challenged = ({ challenge = '' }: Refusal) => (/^Bearer\b/.test(challenge) ? undefined : 'no challenge');
    const cases = guarded().flatMap((row): Case[] => {
      const unauthorized = { status: 401, codes: ['unauthorized'], also: challenged };
      const { path, ...sent } = valid(row);
      return [
        { ...sent, path, name: row.name, ...unauthorized },
        // In the address, a cookie or a subprotocol a token is none.
        {
          ...{ ...sent, path: inQuery(path, `${inAddress}&${UNKNOWN_FIELD}=1`), name: `${row.name} with it elsewhere` },
          headers: { cookie: `binnacle=${admin()}; ${own}=${admin()}`, 'sec-websocket-protocol': admin() },
          ...{ ...unauthorized, codes: ['unauthorized', 'login_incomplete'] },
        },
        ...(row.isSocket ? [] : [{ ...sent, path, ...json('{'), name: `${row.name} with bad JSON`, ...unauthorized }]),
      ];
    });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(400);
  });

  it('answers 401 to a token that is none of ours', async () => {
    // More than 20 failures of one address in a minute, or 200 of all, are refused with another code.
    const all = guarded();
    for (let from = 0; from < all.length; from += 180) {
      const other = from === 0 ? send : sender((await openGateway()).url);
      const cases = all.slice(from, from + 180).map(
        (row, n): Case => ({
          ...{ ...valid(row), name: row.name, token: `${admin().slice(0, -1)}~`, from: `127.0.${1 + (n % 18)}.1` },
          ...{ status: 401, codes: ['unauthorized'] },
        }),
      );
      expect(await faultsOf(cases, other)).toEqual([]);
    }
  });

  it('answers 403 to each scope that is too narrow, and names the scope, whatever the request claims', async () => {
    const headers = { 'x-scope': 'admin', 'binnacle-scope': 'admin', 'x-forwarded-user': 'admin' };
    const cases = guarded().flatMap(({ scope: needed = 'view', ...row }) =>
      TOO_NARROW[needed].map((held): Case => {
        const sent = valid({ ...row, scope: needed });
        return {
          ...{ ...sent, path: inQuery(sent.path, 'scope=admin'), headers, token: tokens.get(held) },
          ...{ name: `${row.name} with ${held}`, status: 403, codes: ['forbidden'] },
          also: ({ hint, details }) =>
            hint === `Use a token with the scope "${needed}".` && details.needed === needed && details.held === held
              ? undefined
              : `the hint is ${hint}`,
        };
      }),
    );
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(guarded().length);
  });

  it('takes the scope that it names', async () => {
    const own = await openGateway();
    const ownContract = await contractOf(own);
    const ownSend = sender(own.url);
    const ownTokens = new Map<Scope, string>();
    for (const scope of SCOPES) ownTokens.set(scope, (await own.tokenOf(scope)).token);
    const faults: string[] = [];
    for (const row of ownContract.rows) {
      // This route would end the token of the test.
      if (row.scope === undefined || row.name === 'POST /v1/logout') continue;
      // No JSON: nothing is started for it.
      const sent = { ...valid(row), ...(row.isSocket || row.method === 'GET' ? {} : json('{')) };
      const { status, code, details } = await ownSend({ ...sent, token: ownTokens.get(row.scope) });
      if (status === 401 || details.needed !== undefined) faults.push(`${row.name}: ${status} ${code}`);
    }
    expect(faults).toEqual([]);
  });

  it('answers 403 to the web origin of another, also with a valid token', async () => {
    const cases = contract.rows.map((row): Case => {
      const headers = { origin: 'https://evil.example' };
      return { ...valid(row), headers, token: admin(), name: row.name, status: 403, codes: ['bad_origin'] };
    });
    expect(await faultsOf(cases, send)).toEqual([]);
  });

  it('answers 421 to the name of another host, also with a valid token', async () => {
    const cases = contract.rows.map((row): Case => {
      const headers = { host: 'evil.example' };
      return { ...valid(row), headers, token: admin(), name: row.name, status: 421, codes: ['bad_host'] };
    });
    expect(await faultsOf(cases, send)).toEqual([]);
  });

  it('answers 405 to another method, with those that there are', async () => {
    const paths = [...new Set(routes().map((row) => valid(row).path.split('?')[0] ?? ''))];
    const cases = paths.flatMap((path) => {
      const there = contract.rows.filter((row) => takes(row, path)).map(({ method }) => method);
      const allow = [...new Set([...there, ...(there.includes('GET') ? ['HEAD'] : [])])].sort().join(', ');
      return ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
        .filter((method) => !there.includes(method))
        .map(
          (method): Case => ({
            ...{ name: `${method} ${path}`, method, path, status: 405, codes: ['method_not_allowed'] },
            also: (answer) => (answer.allow === allow ? undefined : `Allow: ${answer.allow} instead of ${allow}`),
          }),
        );
    });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(300);
  });

  it('is no WebSocket where it is none, and nothing else where it is one', async () => {
    const cases = contract.rows.flatMap((row): Case[] => {
      const { name, isSocket } = row;
      const sent = valid(row);
      if (!isSocket) {
        const isBoth = contract.rows.some((one) => one.isSocket && takes(one, sent.path));
        if (row.method !== 'GET' || isBoth) return [];
        return [{ ...sent, isUpgrade: true, token: admin(), name, status: 404, codes: ['not_found'] }];
      }
      const plain = { ...sent, isUpgrade: false };
      return [
        { ...plain, name: `${name} as a request`, status: 401, codes: ['unauthorized'] },
        {
          ...plain,
          token: admin(),
          name: `${name} as a request with a token`,
          status: 426,
          codes: ['upgrade_required'],
        },
        {
          ...sent,
          method: 'POST',
          token: admin(),
          name: `${name} with POST`,
          status: 405,
          codes: ['method_not_allowed'],
        },
      ];
    });
    expect(await faultsOf(cases, send)).toEqual([]);
  });
});

describe('every address that takes a body', () => {
  /** JSON that is no object. What is emitted may be a list, and says itself what else is wrong. */
  const KINDS = ['[]', '"text"', '7', 'null', 'true'];
  const TOO_LARGE = String(2 ** 40);

  it('refuses one that is larger than any may be, before it has come', async () => {
    const cases = routes()
      .filter(({ body }) => body !== undefined)
      .map((row): Case => {
        const headers = { ...JSON_TYPE, 'content-length': TOO_LARGE };
        return { ...valid(row), token: admin(), headers, name: row.name, status: 413, codes: ['body_too_large'] };
      });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(40);
  });

  it('refuses what is no JSON, is called something else, is packed, or is nested without end', async () => {
    const cases = routes()
      .filter(({ body }) => typeof body === 'object')
      .flatMap((row): Case[] => {
        const sent = { ...valid(row), token: admin() };
        const bad = (what: string, body: string | Buffer): Case => ({
          ...{
            ...sent,
            body,
            headers: JSON_TYPE,
            name: `${row.name} with ${what}`,
            status: 400,
            codes: ['bad_request'],
          },
        });
        const type = (what: string, headers: Readonly<Record<string, string>>): Case => ({
          ...{
            ...sent,
            body: '{}',
            headers,
            name: `${row.name} with ${what}`,
            status: 415,
            codes: ['bad_content_type'],
          },
        });
        return [
          bad('half an object', '{"a":'),
          ...KINDS.map((value) => ({ ...bad(`${value} instead of an object`, value), codes: BAD })),
          bad('two values', '{} {}'),
          bad('bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])),
          bad('101 levels', `${'['.repeat(101)}${']'.repeat(101)}`),
          type('no type', {}),
          type('a text', { 'content-type': 'text/plain' }),
          type('a form', { 'content-type': 'application/x-www-form-urlencoded' }),
          type('another kind of JSON', { 'content-type': 'application/jsonp' }),
          type('packed bytes', { ...JSON_TYPE, 'content-encoding': 'gzip' }),
        ];
      });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(300);
  });
});

describe('every field that the documents name', () => {
  /** Refusals that name the field, where they have no code of their own. */
  const naming =
    (place: string, field: string) =>
    ({ code, details, message }: Refusal): string | undefined => {
      if (code !== 'bad_request') return undefined;
      const named = String(details.field);
      const isNamed =
        details.in === place && (named === field || field.startsWith(`${named}.`) || named.startsWith(`${field}.`));
      return isNamed ? undefined : `names ${details.in} ${named} and not ${place} ${field}: ${message}`;
    };
  const wrongBody = (row: Row, { value, field, why }: Wrong): Case => ({
    ...{ ...valid(row), token: admin(), ...json(value), name: `${row.name} ${why}`, status: 400, codes: BAD },
    also: naming('body', field),
  });

  it('of a body is refused where it is missing, of another kind, or over its limit', async () => {
    const cases = routes().flatMap((row) =>
      typeof row.body === 'object'
        ? wrongObjects(row.body, contract.resolve).map((wrong) => wrongBody(row, wrong))
        : [],
    );
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(500);
  });

  it('of a query is refused where it is missing, not listed, over its limit, or there twice', async () => {
    const cases = routes().flatMap((row) =>
      Object.entries(row.query).flatMap(([name, { schema, isRequired }]): Case[] => {
        const { path, ...sent } = { ...valid(row), token: admin() };
        const refused = { status: 400, codes: BAD, also: naming('query', name) };
        // All values are text.
        const wrong = wrongValues(schema, name, contract.resolve).filter(({ value }) => typeof value === 'string');
        const twice = `${withQuery(path, name, '1')}&${name}=1`;
        return [
          { ...sent, path: twice, name: `${row.name} with ${name} twice`, ...refused },
          ...(isRequired ? [{ ...sent, path: fill(row.path), name: `${row.name} without ${name}`, ...refused }] : []),
          ...wrong.map(({ value, why }) => ({
            ...{ ...sent, path: withQuery(path, name, String(value)), name: `${row.name} ${why}`, ...refused },
          })),
        ];
      }),
    );
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(100);
  });

  it('of the head is refused where it is too long or there twice', async () => {
    const cases = routes().flatMap((row) =>
      Object.entries(row.headers)
        // Node joins these, or keeps the first.
        .filter(([name]) => name !== 'accept' && name !== 'content-type')
        .flatMap(([name, { schema }]): Case[] => {
          const refused = { status: 400, codes: BAD, also: naming('header', name) };
          const sent = { ...valid(row), token: admin() };
          const long = schema.maxLength === undefined ? [] : ['x'.repeat(schema.maxLength + 1)];
          return [
            { ...sent, headers: { [name]: ['a', 'a'] }, name: `${row.name} with ${name} twice`, ...refused },
            ...long.map((value) => ({
              ...sent,
              headers: { [name]: value },
              name: `${row.name} with a long ${name}`,
              ...refused,
            })),
          ];
        }),
    );
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(20);
  });
});

describe('every address with an id', () => {
  /** Fields whose values are looked at before the id is: samples of the documents alone would not come so far. */
  const FITTING: Readonly<Record<string, object>> = { 'POST /v1/sessions/{id}/signal': { signal: 'SIGINT' } };
  /** Addresses with parameters that name nothing of ours, or that take a secret first. */
  const NO_IDS = /\/\.well-known\/|\/assets\/|^GET \/v1\/sandboxes\/|\/report$/;
  const CODES: Readonly<Record<string, string>> = {
    ...{ sessions: 'session_not_found', session: 'session_not_found', pty: 'session_not_found' },
    ...{ conversations: 'conversation_not_found', shares: 'share_not_found' },
  };
  const withIds = (): readonly Row[] =>
    contract.rows.filter(({ name, params }) => Object.keys(params).length > 0 && !NO_IDS.test(name));
  const asked = (row: Row, params: Readonly<Record<string, string>>): Sent => ({
    ...{ ...valid(row), token: admin(), path: fill(row.path, { permission: 'httpRoutes', ...params }) },
    ...(typeof row.body === 'object' ? json(FITTING[row.name] ?? sampleOf(row.body, contract.resolve)) : {}),
  });

  it('answers 404 to one that never was, and says what it is that is not there', async () => {
    const cases = withIds().flatMap((row) => {
      const kind = row.path.split('/').find((part) => Object.hasOwn(CODES, part)) ?? '';
      const isOffered = row.isDescribed || row.path.startsWith('/plugins/');
      const codes = [CODES[kind] ?? 'not_found', 'plugin_not_found'];
      const refused = isOffered ? { status: 404, codes } : NOT_OFFERED;
      const sent = asked(row, {});
      const broken = { ...sent, path: sent.path.replaceAll('nosuch', '%FF'), name: `${row.name} with %FF` };
      return [
        { ...sent, name: row.name, ...refused },
        // No UTF-8: nothing has this name.
        { ...broken, ...refused },
      ];
    });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(120);
  });

  it('answers 404 to a second one that never was, below a first one that is', async () => {
    const { id } = await gateway.create({ runs: true, mode: 'pipe' });
    const { key } = (await gateway.ask('/v1/conversations', { body: {} })).json;
    const cases = withIds()
      .filter(({ path, params }) => Object.keys(params).length > 1 && /^\/v1\/(sessions|conversations)\//.test(path))
      .map((row): Case => {
        const [, last = ''] = /\/(\w+)s\/\{\w+\}(\/output)?$/.exec(row.path) ?? [];
        const there: Readonly<Record<string, string>> = row.path.includes('{key}') ? { key } : { id };
        return { ...asked(row, there), name: row.name, status: 404, codes: [`${last}_not_found`] };
      });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(5);
  });
});

describe('a field that nobody knows', () => {
  const named = ({ message }: Refusal) => (message.includes(UNKNOWN_FIELD) ? undefined : message);
  const strict = (): readonly Row[] => routes().filter(({ ignoresUnknown }) => !ignoresUnknown);

  it('is ignored by the addresses that say so, which are these', () => {
    const ignoring = routes().filter(({ isDescribed, ignoresUnknown }) => isDescribed && ignoresUnknown);
    expect(ignoring.map(({ name }) => name).sort()).toEqual([...IGNORING].sort());
  });

  it('is refused and named in the query of every address of ours', async () => {
    const cases = strict().map((row): Case => {
      const { path, ...sent } = valid(row);
      const asked = { ...sent, path: inQuery(path, `${UNKNOWN_FIELD}=1`), token: admin() };
      return { ...asked, name: row.name, status: 400, codes: ['bad_request', 'bad_filter'], also: named };
    });
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(80);
  });

  it('is refused and named in the body of every address of ours, at the top and in every object below', async () => {
    const cases = strict().flatMap((row) =>
      typeof row.body === 'object'
        ? withUnknown(row.body, contract.resolve).map((value): Case => {
            const sent = { ...valid(row), ...json(value), token: admin() };
            const name = `${row.name} with ${JSON.stringify(value)}`;
            const also = ({ details }: Refusal) =>
              String(details.field).endsWith(UNKNOWN_FIELD) ? undefined : `names ${details.field}`;
            return { ...sent, name, status: 400, codes: ['bad_request'], also };
          })
        : [],
    );
    expect(await faultsOf(cases, send)).toEqual([]);
    expect(cases.length).toBeGreaterThan(30);
  });
});
