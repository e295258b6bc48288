// What a terminal shows, from a real gateway: at once, exactly, and with all that follows.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttachmentEvent, ScreenEvent, Session } from '@binnacle/client';
import { beforeAll, describe, expect, it } from 'vitest';
import { Emulator } from '../../packages/server/src/screen/emulator.ts';
import { stateOf } from '../../packages/server/src/screen/screen-state.fixture.ts';
import { count, inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;

let gateway: Gateway | GatewayProcess;
beforeAll(async () => {
  gateway = await openGateway();
});

/** Everything from there on, as a terminal shows it. */
async function shown(id: string, from: Parameters<Session['attach']>[0], until: (event: AttachmentEvent) => boolean) {
  const client = gateway.connect();
  const attachment = client.session(id).attach(from);
  let emulator = new Emulator({ cols: 80, rows: 24 });
  let screen: ScreenEvent | undefined;
  for await (const event of attachment) {
    if (event.type === 'screen') {
      screen = event;
      emulator = new Emulator(event);
      emulator.write(Buffer.from(event.data));
    } else if (event.type === 'output') emulator.write(event.bytes);
    else if (event.type === 'resize') emulator.resize(event.data);
    if (until(event)) break;
  }
  client.close();
  return { screen, state: stateOf(emulator) };
}

const ended = ({ type }: AttachmentEvent): boolean => type === 'end';
const filesOf = (id: string): string[] => {
  const dir = join(gateway.dir, 'sessions', id, 'screens');
  return existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : [];
};
const get = async (path: string, headers: Record<string, string> = {}) =>
  await gateway.fetch(`/v1/sessions/${path}`, { headers });

describe('following from the screen', () => {
  it('shows it first and goes on from exactly there', async () => {
    const command =
      'printf "\\033[?2004h\\033[31mred\\033[m\\r\\n"; seq 2000; printf "ready"; read -r x; printf "\\033[44mmore %s" "$x"';
    const { id } = await gateway.client.sessions.create({ command });
    await until('it waits', async () => (await (await get(`${id}/output?tail=5`)).text()) === 'ready');
    const watching = shown(id, 'screen', ended);
    const client = gateway.connect();
    const events: string[] = [];
    const attachment = client.session(id).attach('screen');
    for await (const event of attachment) {
      events.push(event.type);
      if (event.type === 'screen') {
        expect(event).toMatchObject({ exact: true, drawnFrom: 0, cols: 80, rows: 24 });
        expect(event.position).toBe(attachment.position);
        await client.session(id).write('typed\n');
      }
    }
    expect(events.slice(0, 3)).toEqual(['attached', 'screen', 'output']);
    const [fromScreen, fromStart] = await Promise.all([watching, shown(id, 'start', ended)]);
    expect(fromScreen.state).toEqual(fromStart.state);
    client.close();
  });

  it('is right, too, in the middle of a sequence and of a character, which come whole behind it', async () => {
    const command = `stty raw -echo; printf 'abc\\033[3'; read -r x; printf '1mred \\343\\201'; read -r x; printf '\\202 end'`;
    const { id } = await gateway.client.sessions.create({ command });
    const session = gateway.client.session(id);
    for (const tail of ['\x1b[3', '\xe3\x81']) {
      await until('it waits', async () => {
        const bytes = Buffer.from(await (await get(`${id}/output?tail=${tail.length}`)).arrayBuffer());
        return bytes.toString('latin1') === tail;
      });
      const { offset, exact } = (await (await get(`${id}/screen`)).json()) as ScreenEvent;
      const { outputOffset } = await session.info();
      expect({ offset, exact }).toEqual({ offset: outputOffset - tail.length, exact: true });
      const watching = shown(id, 'screen', ({ type }) => type === 'output');
      await watching;
      await session.write('\n');
    }
    const all = await Promise.all([shown(id, 'screen', ended), shown(id, 'start', ended)]);
    expect(all[0].state).toEqual(all[1].state);
  });

  it('is refused for a session without a terminal, by code', async () => {
    const { id } = await gateway.client.sessions.create({ command: 'sleep 60', mode: 'pipe' });
    await expect(gateway.client.session(id).attach('screen').next()).rejects.toMatchObject({ code: 'not_a_tty' });
    const answer = await get(`${id}/screen`);
    expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([
      409,
      'not_a_tty',
    ]);
  });

  it('is text for who wants text', async () => {
    const { id } = await gateway.client.sessions.create({ command: 'printf "one\\r\\n\\033[1mtwo"' });
    await until('it is over', async () => (await gateway.client.session(id).info()).state === 'closed');
    const answer = await get(`${id}/screen`, { accept: 'text/plain' });
    expect([await answer.text(), answer.headers.get('binnacle-exact')]).toEqual(['one\ntwo\n', '1']);
    expect((await get(`${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}/screen`)).status).toBe(404);
  });
});

describe('the screen at an offset', () => {
  it('is what was shown then, by HTTP and as the beginning of following', async () => {
    const { id } = await gateway.client.sessions.create({
      command: "printf 'one\\ntwo'; printf '\\033[2J\\033[1;1Hthree\\033[?1h'",
    });
    const session = gateway.client.session(id);
    await until('it is over', async () => (await session.info()).state === 'closed');
    const { outputOffset } = await session.info();
    expect((await session.screen()).lines[0]).toBe('three');
    expect(await session.screen({ at: 8 })).toMatchObject({ offset: 8, exact: true, applicationKeys: false });
    expect((await session.screen({ at: 8 })).lines.slice(0, 3)).toEqual(['one', 'two', '']);
    expect((await session.screen({ at: 10 })).offset).toBe(8);
    expect(await session.screen({ at: outputOffset })).toMatchObject({ offset: outputOffset, applicationKeys: true });
    expect(await (await get(`${id}/screen?at=3&format=text`)).text()).toBe('one\n');
    const [fromOne, fromStart] = [{ screen: true, at: 4 } as const, 'start' as const];
    const all = await Promise.all([shown(id, fromOne, ended), shown(id, fromStart, ended)]);
    expect(all[0].screen).toMatchObject({ offset: 4, exact: true });
    expect(all[0].state).toEqual(all[1].state);
    const refused = { code: 'offset_ahead', details: { headOffset: outputOffset, oldestOffset: 0 } };
    await expect(session.screen({ at: outputOffset + 1 })).rejects.toMatchObject(refused);
    await expect(session.attach({ screen: true, at: outputOffset + 1 }).next()).rejects.toMatchObject(refused);
  });

  it('of what runs elsewhere is the same before and after its emitter tells a size', async () => {
    const emit = async (event: object): Promise<void> => {
      const body = JSON.stringify({ session_id: 'sized-late', ...event });
      const headers = { 'content-type': 'application/json' };
      expect((await gateway.fetch('/v1/pty-traffic/emit', { method: 'POST', headers, body })).status).toBe(200);
    };
    await emit({ response: `\x1b[2;70Hhere${'a'.repeat(60)}` });
    const { sessions } = await gateway.client.sessions.list({ q: 'sized-late' });
    const session = gateway.client.session(sessions[0]?.id ?? '');
    const before = await session.screen({ at: 50 });
    expect(before.lines[1]?.indexOf('here')).toBe(69);
    await emit({ cols: 40, rows: 10, response: 'b', is_final: true });
    const now = await session.screen();
    // Drawn anew, from its beginning.
    await gateway.restart();
    expect(await session.screen({ at: 50 })).toEqual(before);
    expect(await session.screen()).toEqual(now);
    const cast = await (await get(`${session.id}/export`)).text();
    expect(JSON.parse(cast.split('\n')[0] ?? '')).toMatchObject({ term: { cols: 80, rows: 24 } });
    expect(cast).toContain('"r", "40x10"');
  });

  it('is drawn for each asker one at a time, and the last one that was asked for is', async () => {
    const { id } = await gateway.client.sessions.create({ command: 'seq 5000' });
    const session = gateway.client.session(id);
    await until('it is over', async () => (await session.info()).state === 'closed');
    const asked = Array.from({ length: 40 }, (_, n) =>
      session.screen({ at: n * 500 }).then(
        ({ offset }) => `${offset}`,
        ({ code }) => code as string,
      ),
    );
    const answers = await Promise.all(asked);
    expect(answers).toContain('asked_again');
    expect(answers.filter((answer) => answer !== 'asked_again').length).toBeGreaterThan(4);
    expect((await session.screen({ at: 19_500 })).offset).toBe(19_500);
  });
});

inAll(
  'screens that are kept are made beside a long output, bounded, and can be lost, broken or old',
  async () => {
    const killed = await openGatewayProcess();
    gateway = killed;
    const { id } = await gateway.client.sessions.create({
      command: `head -c ${count({ quick: 9, all: 24 }) * MIB} /dev/zero | tr '\\0' x | fold -w 99; printf '\\033[32mdone'`,
    });
    await until('it is over', async () => (await gateway.client.session(id).info()).state === 'closed', 90_000);
    await until('they are made', () => filesOf(id).length >= count({ quick: 1, all: 4 }), 90_000);
    const expected = (await shown(id, 'start', ended)).state;
    const same = async (): Promise<ScreenEvent | undefined> => {
      const { screen, state } = await shown(id, 'screen', ended);
      if (screen?.exact === true) expect(state).toEqual(expected);
      return screen;
    };
    await until('it is exact', async () => (await same())?.exact === true, 90_000);
    for (const path of filesOf(id)) writeFileSync(path, readFileSync(path).subarray(0, 100));
    await killed.kill();
    await killed.restart();
    await same();
    for (const path of filesOf(id)) rmSync(path);
    const other = join(gateway.dir, 'sessions', id, 'screens', '5.v0');
    writeFileSync(other, '');
    await until('it is exact again', async () => (await same())?.exact === true, 90_000);
    expect(existsSync(other)).toBe(false);
    expect(filesOf(id).length).toBeLessThanOrEqual(96);
    await gateway.client.session(id).delete();
    expect(filesOf(id)).toEqual([]);
  },
  300_000,
);
