// Share links by a clock that a test turns, and at their bounds.

import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { fakeRequest, type Gateway, openGateway } from '../api/http/gateway.fixture.ts';
import { MAX_GUESTS, MAX_SHARES_OF_USER, type ShareRecord } from '../store/shares.ts';
import { Catalogue } from '../store/store.ts';
import { Auth } from './auth.ts';
import { Hosts } from './host-origin.ts';
import type { Principal } from './principal.ts';
import { credentialIn, MAX_SHARE_TTL_MS, type ShareRequest } from './shares.ts';

const REQUEST: ShareRequest = {
  kind: 'session',
  target: '00000000-0000-7000-8000-000000000001',
  mode: 'view',
  label: '',
  expiresInMs: 60_000,
  uses: null,
};
const NOBODY = fakeRequest('');

let gateway: Gateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

async function open(options: Parameters<typeof openGateway>[0] = {}): Promise<{ auth: Auth; admin: Principal }> {
  gateway = await openGateway(options);
  const { auth, adminToken } = gateway;
  return { auth, admin: auth.authorize(fakeRequest(adminToken), 'admin') };
}

function redeem(auth: Auth, secret: string, id?: string) {
  return auth.shares.redeem(NOBODY, auth.shares.open(NOBODY, secret), { secret, name: '', id });
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'done';
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
};

const asGuest = (auth: Auth, credential: string): Principal =>
  auth.authorize(fakeRequest(credential), 'view', { shares: true });

describe('a share link by the clock', () => {
  test('lets in until the very ms of its end, and then neither it nor whoever it had let in', async () => {
    let now = 1_000_000;
    const { auth, admin } = await open({ clock: () => now });
    const { share, secret } = auth.shares.make(NOBODY, admin, REQUEST);
    now = share.expiresAt - 1;
    const { credential } = redeem(auth, secret);
    const guest = asGuest(auth, credential);
    const closed: string[] = [];
    auth.hold(guest, ({ code }) => closed.push(code));
    expect(auth.openGuests()).toEqual(new Map([[share.id, new Map([[guest.id, now]])]]));
    now += 1;
    expect(codeOf(() => redeem(auth, secret))).toBe('share_expired');
    expect(codeOf(() => asGuest(auth, credential))).toBe('share_expired');
    expect(codeOf(() => auth.assertLive(guest))).toBe('share_expired');
    await expect.poll(() => closed, { timeout: 2000 }).toEqual(['share_expired']);
    expect(auth.openGuests().size).toBe(0);
  });

  test('lives 30 days at most, whatever the request says', async () => {
    const { auth, admin } = await open({ clock: () => 5 });
    const { share } = auth.shares.make(NOBODY, admin, { ...REQUEST, expiresInMs: Number.MAX_SAFE_INTEGER });
    expect(share.expiresAt).toBe(5 + MAX_SHARE_TTL_MS);
  });

  test('that is long over is forgotten when another one is made', async () => {
    let now = 1_000_000;
    const { auth, admin } = await open({ clock: () => now });
    const { share } = auth.shares.make(NOBODY, admin, REQUEST);
    now += 31 * 86_400_000;
    expect(auth.shares.stateOf(auth.shares.get(share.id))).toBe('expired');
    auth.shares.make(NOBODY, admin, REQUEST);
    expect(codeOf(() => auth.shares.get(share.id))).toBe('share_not_found');
  });
});

describe('a guest', () => {
  test('is nobody on a route without guests, whatever their scope', async () => {
    const { auth, admin } = await open();
    const { secret } = auth.shares.make(NOBODY, admin, { ...REQUEST, mode: 'type' });
    const { credential } = redeem(auth, secret);
    for (const scope of ['view', 'input', 'create', 'admin'] as const) {
      expect(codeOf(() => auth.authorize(fakeRequest(credential), scope))).toBe('not_found');
    }
    expect(codeOf(() => auth.authorize(fakeRequest(credential), 'create', { shares: true }))).toBe('forbidden');
    expect(asGuest(auth, credential)).toMatchObject({ scope: 'input', kind: 'share', name: 'guest 1' });
  });

  test('of the same id is the same one; of another link with it, another', async () => {
    const { auth, admin } = await open();
    const made = [1, 2].map(() => auth.shares.make(NOBODY, admin, { ...REQUEST, uses: 1 }));
    const ids = made.flatMap(({ secret }) => [1, 2].map(() => redeem(auth, secret, 'the-same-id-of-a-tab')));
    const [a, b, c, d] = ids.map(({ credential }) => credential);
    expect([a === b, c === d, a === c]).toEqual([true, true, false]);
    for (const { share, secret } of made) {
      expect(auth.shares.get(share.id).used).toBe(1);
      expect(codeOf(() => redeem(auth, secret, 'the-id-of-another-tab'))).toBe('share_used_up');
    }
  });

  test('ends with the login that made its link, and with the admin token', async () => {
    const { auth, admin } = await open();
    const opened = gateway as Gateway;
    const { Cookie, 'Binnacle-Key': key } = await opened.login();
    const raw = {
      method: 'GET',
      url: '/',
      headers: {},
      socket: { remoteAddress: '127.0.0.1', localPort: opened.port },
    };
    const rawHeaders = ['Cookie', Cookie, 'Origin', opened.url, 'Binnacle-Key', key];
    const login = auth.authorize({ ...raw, rawHeaders } as unknown as IncomingMessage, 'admin');
    const { share, secret } = auth.shares.make(NOBODY, login, REQUEST);
    expect(share.expiresAt).toBeLessThanOrEqual(login.expiresAt ?? 0);
    const { credential } = redeem(auth, secret);
    const closed: string[] = [];
    auth.hold(asGuest(auth, credential), ({ code }) => closed.push(code));
    auth.revoke(login.id);
    expect(closed).toEqual(['share_revoked']);
    expect(codeOf(() => asGuest(auth, credential))).toBe('share_revoked');

    const ofAdmin = auth.shares.make(NOBODY, admin, REQUEST).share;
    const second = Catalogue.open(opened.dir);
    const same = new Auth({ catalogue: second, adminToken: opened.adminToken, hosts: new Hosts() });
    expect(same.shares.stateOf(same.shares.get(ofAdmin.id))).toBe('open');
    const rotated = new Auth({ catalogue: second, adminToken: 'x'.repeat(40), hosts: new Hosts() });
    expect(rotated.shares.stateOf(rotated.shares.get(ofAdmin.id))).toBe('revoked');
    for (const one of [same, rotated]) one.close();
    second.close();
  });
});

describe('the bounds', () => {
  test(`a user has ${MAX_SHARES_OF_USER} open links; one that is over makes room`, async () => {
    const { auth, admin } = await open();
    const made: ShareRecord[] = [];
    for (let n = 0; n < MAX_SHARES_OF_USER; n += 1) made.push(auth.shares.make(NOBODY, admin, REQUEST).share);
    expect(codeOf(() => auth.shares.make(NOBODY, admin, REQUEST))).toBe('too_many_shares');
    auth.shares.revoke(NOBODY, made[0] as ShareRecord, admin);
    expect(codeOf(() => auth.shares.make(NOBODY, admin, REQUEST))).toBe('done');
  });

  test(`a link lets in ${MAX_GUESTS}, and notes the first hundred that it refused`, async () => {
    const { auth, admin } = await open();
    const { share, secret } = auth.shares.make(NOBODY, admin, REQUEST);
    for (let n = 0; n < MAX_GUESTS; n += 1) redeem(auth, secret);
    for (let n = 0; n < 120; n += 1) expect(codeOf(() => redeem(auth, secret))).toBe('too_many_guests');
    const audit = auth.shares.audit(share.id);
    expect(audit.filter(({ what }) => what === 'redeemed')).toHaveLength(MAX_GUESTS);
    expect(audit.filter(({ what }) => what === 'refused')).toHaveLength(100);
  });
});

test('no text but the credential of a guest, behind our own name, is taken out of subprotocols', () => {
  const credential = `bg_${'x'.repeat(43)}`;
  const offered = (all: readonly string[]) =>
    ({ rawHeaders: all.flatMap((one) => ['Sec-WebSocket-Protocol', one]) }) as unknown as IncomingMessage;
  expect(credentialIn(offered([`binnacle, binnacle.guest.${credential}`]))).toBe(credential);
  expect(credentialIn(offered(['binnacle', `binnacle.guest.${credential}`]))).toBe(credential);
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('binnacle', `binnacle.guest.${credential}`))), (all) => {
      const found = credentialIn(offered(all));
      return found === undefined || found === credential;
    }),
  );
});
