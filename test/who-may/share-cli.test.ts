// `binnacle share`, as it is installed, against a real gateway.

import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeConversation, writeConfig } from '../conversations/conversation.fixture.ts';
import { Commands } from '../support/commands.ts';
import { some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';

const binary = fileURLToPath(new URL('../../packages/cli/dist/binnacle.mjs', import.meta.url));

let gateway: Gateway;
let commands: Commands;
let session: string;
beforeAll(async () => {
  const agents = { entries: { main: { driver: 'echo', default: true } } };
  gateway = await openGateway({ prepare: (data) => writeConfig(data, { agents }) });
  commands = new Commands(binary, { BINNACLE_DATA: gateway.dir });
  session = (await gateway.client.sessions.create({ argv: ['/bin/cat'], name: 'build' })).id;
});
afterEach(() => commands.end());
afterAll(() => gateway.close());

it('prints the link alone on stdout, and what it is good for beside it', async () => {
  const { code, out, err } = await commands.run(['share', 'build', '--expires', '2h', '--uses', '3', '--label', 'Ada']);
  expect([code, out]).toEqual([0, expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#share=bs_[\w-]{43}\n$/)]);
  expect(err).toMatch(
    /may watch, for 2h, 3 times\. The link is not shown again\.\nRevoke it with: binnacle share rm [\w-]+\n$/,
  );
  const [made] = await gateway.client.shares.list();
  expect(made).toMatchObject({ session, mode: 'view', uses: 3, label: 'Ada', state: 'open' });
  const guest = await gateway.client.shares.redeem(out.trim().split('#share=')[1] ?? '', { name: 'Bob' });
  expect(guest).toMatchObject({ session, name: 'Bob (guest)' });
});

it('takes --type, --qr, --json and the key of a conversation', async () => {
  const { out, err } = await commands.run(['share', session, '--type', '--qr']);
  expect(out.split('\n')).toHaveLength(2);
  expect(err).toContain('may watch and type, for 1d');
  expect(err).toMatch(/[▀▄█]{5}/);
  const { key } = await makeConversation(gateway);
  const made = JSON.parse((await commands.run(['share', key, '--json'])).out);
  expect(made).toMatchObject({ conversation: key, session: null, mode: 'view', uses: null });
});

it('lists who is watching, and revokes by the beginning of an id', async () => {
  const made = await gateway.client.shares.create({ session, label: 'to be ended' });
  const { credential } = await gateway.client.shares.redeem(made.secret, { name: 'Ada' });
  const guest = gateway.connect({ token: credential });
  const attachment = guest.session(session).attach();
  await attachment.next();
  const listed = await commands.run(['share', 'ls']);
  const line = listed.out.split('\n').find((one) => one.includes(made.id)) ?? '';
  expect(line).toMatch(/view\s+in (?:23h|1d)/);
  expect(line).toContain('Ada (guest)');
  const { code, err } = await commands.run(['share', 'rm', made.id.slice(0, -2)]);
  expect([code, err]).toEqual([0, `Share link ${made.id} is revoked.\n`]);
  await expect(attachment.next().then(() => attachment.next())).rejects.toMatchObject({ code: 'share_revoked' });
  expect((await commands.run(['share', 'ls'])).out).not.toContain(made.id);
  expect((await commands.run(['share', 'ls', '--all'])).out).toContain(made.id);
});

it('says what is wrong, and with which exit code', async () => {
  const codeOf = async (...args: string[]) => (await commands.run(['share', ...args])).code;
  const wrong: readonly (readonly [number, ...string[]])[] = [
    [5, 'no-such-session'],
    [2, 'build', '--expires', 'soon'],
    [2, 'build', '--uses', '0'],
    [2, 'build', '--expires', '31d'],
    [1, 'rm', 'never-made'],
  ];
  for (const [code, ...args] of some(wrong, 3)) expect([args, await codeOf(...args)]).toEqual([args, code]);
});
