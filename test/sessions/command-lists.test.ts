// Lists of the command line, as a script reads them and as a person names what is in them.

import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
const LONG = `a-session-with-a-name-of-${'x'.repeat(150)}`;

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

const binnacle = async (...args: string[]): Promise<{ readonly out: string; readonly err: string }> => {
  const env = { PATH: process.env.PATH, HOME: gateway.dir };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [BINARY, ...args, '--data', gateway.dir], {
    env,
  });
  return { out: stdout, err: stderr };
};

it('a list into a pipe is not cut', async () => {
  await gateway.create({ argv: ['/bin/cat', LONG], mode: 'pipe', name: 'long' });
  await gateway.ask('/v1/tokens', { body: { name: LONG.slice(0, 100), scope: 'view' } });
  expect((await binnacle('ls')).out).toContain(LONG);
  expect((await binnacle('token', 'ls')).out).toContain(LONG.slice(0, 100));
});

it('token revoke takes the beginning of an id that only one token has', async () => {
  const made = [];
  for (const name of ['one', 'two'])
    made.push((await gateway.ask('/v1/tokens', { body: { name, scope: 'view' } })).json);
  const [one, two] = made;
  const listed = async () => (await gateway.ask('/v1/tokens')).json.tokens.map(({ id }: { id: string }) => id);
  await expect(binnacle('token', 'revoke', one.id.slice(0, 2))).rejects.toMatchObject({ code: 2 });
  expect(await listed()).toEqual(expect.arrayContaining([one.id, two.id]));
  expect((await binnacle('token', 'revoke', one.id.slice(0, -1))).err).toContain(`Token ${one.id} is revoked`);
  expect(await listed()).not.toContain(one.id);
  expect(await listed()).toContain(two.id);
});

it('share ls names the session that a link shows', async () => {
  const { id } = await gateway.create({ argv: ['/bin/cat'], mode: 'pipe', name: 'shown' });
  await gateway.ask('/v1/shares', { body: { session: id } });
  expect((await binnacle('share', 'ls')).out).toMatch(/ shown *$/m);
});
