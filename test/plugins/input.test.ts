// What plugins are asked about input to sessions and told behind it, and of their ends: real plugins, programs and clients
// on a real gateway.

import type { PluginLog } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, connectHttp } from '../mcp/mcp.fixture.ts';
import { type AnyGateway, killGateway, openAnyGateway } from '../support/any-gateway.ts';
import { inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin } from './installed.fixture.ts';

const GUARD = `export default (api) => {
  api.hook('beforeInput', async ({ session, text, by }) => {
    console.log(JSON.stringify({ before: text, session, by }));
    if (text.includes('HOLD')) await new Promise((resolve) => setTimeout(resolve, 300));
    if (text.includes('sudo')) return { veto: 'not as root' };
  }, { deadlineMs: 5000 });
  api.hook('afterInput', ({ session, text, by }) => console.log(JSON.stringify({ after: text, session, by })));
  api.hook('sessionEnd', (end) => console.log(JSON.stringify({ ended: end })));
};`;
const HOOKS = { on: ['beforeInput', 'afterInput', 'sessionEnd'] };

let gateway: AnyGateway;
beforeAll(async () => {
  gateway = await openAnyGateway({}, []);
  await installPlugin(gateway, { id: 'guard', source: GUARD, permissions: { hooks: HOOKS } });
});
afterAll(() => gateway.close());

// biome-ignore lint/suspicious/noExplicitAny: lines of a log, each of another shape
const told = async (): Promise<any[]> =>
  (await ask<PluginLog>(gateway, 'GET', '/v1/plugins/guard/logs')).lines
    .filter(({ text }) => text.startsWith('{'))
    .map(({ text }) => JSON.parse(text));
/** In a terminal it says `.` once that no longer echoes: what is typed before would come back twice. */
async function cat(mode = 'pipe'): Promise<{ id: string }> {
  const command = mode === 'pty' ? 'stty raw -echo; printf .; exec cat' : 'exec cat';
  const session = await ask<{ id: string }>(gateway, 'POST', '/v1/sessions', { command, mode });
  if (mode === 'pty') await until('the terminal is raw', async () => (await outputOf(session.id)) === '.');
  return session;
}
const outputOf = async (id: string): Promise<string> => await (await gateway.fetch(`/v1/sessions/${id}/output`)).text();
const post = async (id: string, body: string, client?: string, n?: number) => {
  const headers = client === undefined ? {} : { 'binnacle-client': client, 'binnacle-message': String(n) };
  const response = await gateway.fetch(`/v1/sessions/${id}/input`, { method: 'POST', body, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const codeOf = ({ body }: { body: Record<string, unknown> }) => (body.error as { code?: string } | undefined)?.code;

describe('input that somebody types', () => {
  it('reaches the program in its order once it is allowed; what is vetoed does not, and nothing waits for it', async () => {
    const { id } = await cat();
    const session = gateway.client.session(id);
    const texts = ['one\n', 'HOLD\n', 'sudo reboot\n', 'two\n', 'sudo rm\n', 'three\n'];
    const results = await Promise.allSettled(texts.map((text) => session.write(text)));
    expect(results.map((one) => (one.status === 'rejected' ? one.reason.code : one.value.accepted))).toEqual([
      ...[4, 5, 'vetoed', 4, 'vetoed', 6],
    ]);
    expect(results[2]).toMatchObject({ reason: { details: { plugin: 'guard', reason: 'not as root' } } });
    await until('all of it has come back', async () => (await outputOf(id)).endsWith('three\n'));
    expect(await outputOf(id)).toBe('one\nHOLD\ntwo\nthree\n');
    await until('it was told of all', async () => (await told()).filter((one) => one.after !== undefined).length === 4);
    const mine = (await told()).filter((one) => one.session === id);
    expect(mine.filter((one) => one.before !== undefined).map((one) => one.before)).toEqual(texts);
    expect(mine.filter((one) => one.after !== undefined).map((one) => one.after)).toEqual([
      'one\n',
      'HOLD\n',
      'two\n',
      'three\n',
    ]);
    expect(mine[0]).toMatchObject({ by: 'admin' });
  });

  it.each(['pipe', 'pty'])(
    'of a client that numbers its messages is no gap behind one that was vetoed (%s)',
    async (mode) => {
      const { id } = await cat(mode);
      expect(await post(id, 'a', 'me', 1)).toMatchObject({ status: 200, body: { accepted: 1, duplicate: false } });
      const vetoed = await post(id, 'sudo', 'me', 2);
      expect([vetoed.status, codeOf(vetoed)]).toEqual([403, 'vetoed']);
      expect(codeOf(await post(id, 'sudo', 'me', 2))).toBe('vetoed');
      expect(await post(id, 'b', 'me', 3)).toMatchObject({ body: { accepted: 1, duplicate: false } });
      expect(await post(id, 'a', 'me', 1)).toMatchObject({ body: { accepted: 1, duplicate: true } });
      expect(codeOf(await post(id, 'c', 'me', 5))).toBe('input_gap');
      const begin = mode === 'pty' ? '.' : '';
      await until('it has come back', async () => (await outputOf(id)) === `${begin}ab`);
    },
  );

  it('is ended behind what waits for its verdict', async () => {
    const { id } = await cat();
    const session = gateway.client.session(id);
    const written = session.write('HOLD and end\n');
    await gateway.fetch(`/v1/sessions/${id}/close-stdin`, { method: 'POST' });
    await written;
    await until(
      'it has ended',
      async () => (await ask<{ state: string }>(gateway, 'GET', `/v1/sessions/${id}`)).state === 'closed',
    );
    expect(await outputOf(id)).toBe('HOLD and end\n');
  });

  it('that is too much to ask about does not get past', async () => {
    const { id } = await cat();
    const large = await post(id, `sudo${'\u0000'.repeat(200 * 1024)}`);
    expect([large.status, codeOf(large)]).toEqual([413, 'message_too_large']);
    expect(await outputOf(id)).toBe('');
  });

  it('over MCP is asked about, too', async () => {
    const client = await connectHttp(gateway);
    const { id } = await cat();
    expect(await call(client, 'bash_input', { id, text: 'sudo\n' })).toMatchObject({
      isError: true,
      data: { code: 'vetoed' },
    });
    await client.close();
    expect(await outputOf(id)).toBe('');
  });
});

it('a command for a shell is asked about as it is; one that is vetoed never runs', async () => {
  const { id } = await ask<{ id: string }>(gateway, 'POST', '/v1/sessions', { runs: true, mode: 'pipe' });
  const run = async (command: string, runId: string) =>
    (await (
      await gateway.fetch(`/v1/sessions/${id}/runs?wait=10000`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ command, id: runId }),
      })
    ).json()) as Record<string, unknown>;
  expect(await run('sudo id', 'r1')).toMatchObject({ error: { code: 'vetoed' } });
  expect(await run('echo fine', 'r2')).toMatchObject({ id: 'r2', state: 'ended', exitCode: 0 });
  // Sent again it is the same run, and nobody is asked.
  expect(await run('echo fine', 'r2')).toMatchObject({ id: 'r2', state: 'ended' });
  const { runs } = await ask<{ runs: { id: string }[] }>(gateway, 'GET', `/v1/sessions/${id}/runs`);
  expect(runs.map((one) => one.id)).toEqual(['r2']);
  const mine = (await told()).filter((one) => one.session === id);
  expect(mine.filter((one) => one.before !== undefined).map((one) => one.before)).toEqual(['sudo id', 'echo fine']);
});

describe('the end of a session', () => {
  it('is told once, as it was', async () => {
    const { id } = await ask<{ id: string }>(gateway, 'POST', '/v1/sessions', { command: 'exit 3', name: 'three' });
    await until('it is told', async () => (await told()).some((one) => one.ended?.session === id));
    await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
    const ends = (await told()).filter((one) => one.ended?.session === id);
    expect(ends).toEqual([{ ended: { session: id, name: 'three', state: 'closed', exitCode: 3, signal: null } }]);
  });

  it('is told of one that is killed', async () => {
    const { id } = await cat();
    await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
    await until('it is told', async () => (await told()).some((one) => one.ended?.session === id));
  });
});

it('without the permission nobody is asked, and what was vetoed before stays so', async () => {
  const { id } = await cat();
  expect(codeOf(await post(id, 'sudo', 'me', 1))).toBe('vetoed');
  await grant(gateway, 'guard', 'hooks', { on: ['afterInput'] });
  expect(codeOf(await post(id, 'sudo', 'me', 1))).toBe('vetoed');
  expect(await post(id, 'sudo', 'me', 2)).toMatchObject({ status: 200, body: { accepted: 4, duplicate: false } });
  await until('it has come back', async () => (await outputOf(id)) === 'sudo');
});

it('a plugin that ends in the middle of it costs nobody the input, unless it is to fail closed', async () => {
  const dying = (id: string, onFailure: string) => `export default (api) => {
    api.hook('beforeInput', ({ text }) => { if (text === '${id}') process.exit(7); }, { onFailure: '${onFailure}' });
  };`;
  const { id } = await cat();
  await installPlugin(gateway, { id: 'open', source: dying('open', 'open'), permissions: { hooks: true } });
  expect(await post(id, 'open', 'you', 1)).toMatchObject({ body: { accepted: 4 } });
  await installPlugin(gateway, { id: 'closed', source: dying('closed', 'closed'), permissions: { hooks: true } });
  expect(codeOf(await post(id, 'closed', 'you', 2))).toBe('vetoed');
  await until('it runs again', async () => (await post(id, '+')).status === 200);
  await until('it has come back', async () => (await outputOf(id)) === 'open+');
});

inAll('what fails closed is asked for from the first moment of another gateway on', async () => {
  const source = `export default (api) => api.hook('beforeInput', ({ text }) => text.includes('sudo') ? { veto: 'no' } : undefined,
    { onFailure: 'closed', deadlineMs: 5000 });`;
  await installPlugin(gateway, { id: 'strict', source, permissions: { hooks: true } });
  const { id } = await cat();
  expect(await post(id, 'fine', 'me', 1)).toMatchObject({ status: 200 });
  expect(codeOf(await post(id, 'sudo', 'me', 2))).toBe('vetoed');
  await killGateway(gateway);
  await gateway.restart();
  // Whoever did not get the answer sends it again.
  expect(codeOf(await post(id, 'sudo', 'me', 2))).toBe('vetoed');
  const codes = new Set<unknown>();
  await until('it runs again', async () => {
    codes.add(codeOf(await post(id, 'sudo')));
    return (await post(id, '+')).status === 200;
  });
  expect([...codes]).toEqual(['vetoed']);
  expect(codeOf(await post(id, 'sudo', 'me', 2))).toBe('vetoed');
  expect(await post(id, 'fine', 'me', 1)).toMatchObject({ body: { accepted: 4, duplicate: true } });
  await until('it has come back', async () => (await outputOf(id)) === 'fine+');
});
