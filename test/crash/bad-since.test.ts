import type { SessionInfo } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { Watcher } from './flooding.fixture.ts';

const TEXT = 'x'.repeat(1000);
let gateway: Gateway;
let ended: SessionInfo;
let running: SessionInfo;

beforeAll(async () => {
  gateway = await openGateway();
  const { id } = await gateway.client.sessions.create({ command: `printf ${TEXT}; exit 3`, mode: 'pipe' });
  await new Watcher(gateway.client, id).ended;
  ended = await gateway.client.sessions.get(id);
  const other = await gateway.client.sessions.create({ command: `printf ${TEXT}; exec sleep 1005`, mode: 'pipe' });
  await until('it has written', async () => (await gateway.client.sessions.get(other.id)).outputOffset === 1000);
  running = await gateway.client.sessions.get(other.id);
});

interface Refused {
  readonly status: number;
  readonly code: string;
  readonly details?: { readonly oldestOffset?: number; readonly headOffset?: number };
}

async function overHttp(path: string, headers: Record<string, string> = {}): Promise<Refused> {
  const response = await gateway.fetch(path, { headers });
  const { error } = (await response.json()) as { error: Omit<Refused, 'status'> };
  return { ...error, status: response.status };
}

/** What comes instead of an upgrade. */
function beforeUpgrade(path: string): Promise<Refused> {
  const url = gateway.url.replace('http', 'ws') + path;
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${gateway.token}` } });
  return new Promise((resolve, reject) => {
    socket.on('open', () => reject(new Error('It was upgraded.')));
    socket.on('error', reject);
    socket.on('unexpected-response', (_, response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () =>
        resolve({ ...(JSON.parse(body) as { error: Refused }).error, status: response.statusCode ?? 0 }),
      );
    });
  });
}

type Ask = (id: string, query: string) => Promise<Refused>;
const output = (id: string, query: string) => `/v1/sessions/${id}/output?${query}`;
const SURFACES: readonly (readonly [string, Ask])[] = [
  ['raw HTTP', (id, query) => overHttp(output(id, query))],
  ['raw HTTP that follows', (id, query) => overHttp(output(id, `${query}&follow=1`))],
  ['a long poll', (id, query) => overHttp(output(id, `${query}&wait=50`))],
  ['server-sent events', (id, query) => overHttp(output(id, query), { accept: 'text/event-stream' })],
  ['/ws/session, before the upgrade', (id, query) => beforeUpgrade(`/ws/session/${id}?${query}`)],
];

const BAD = [
  '-1',
  'NaN',
  '1e3',
  '0x10',
  '12abc',
  '',
  '1.5',
  '+1',
  '%201',
  '01',
  'Infinity',
  `${2 ** 53}`,
  '99999999999999999999',
];

describe('exact-resume: a since that cannot be served is refused by code, never moved', () => {
  describe.each(SURFACES)('on %s', (name, ask) => {
    it.each(BAD)('since="%s" is bad_offset', async (since) => {
      expect(await ask(ended.id, `since=${since}`)).toMatchObject({ status: 400, code: 'bad_offset' });
    });

    it('two of them are refused', async () => {
      const refused = await ask(ended.id, 'since=0&since=10');
      expect(refused.status).toBe(400);
      expect(['bad_offset', 'bad_request']).toContain(refused.code);
    });

    it('one byte ahead of the head is offset_ahead, with the numbers', async () => {
      for (const { id } of [ended, running]) {
        expect(await ask(id, 'since=1001')).toMatchObject({
          status: 416,
          code: 'offset_ahead',
          details: { oldestOffset: 0, headOffset: 1000 },
        });
      }
    });

    it('the largest offset there can be is ahead, too', async () => {
      expect(await ask(ended.id, `since=${2 ** 53 - 1}`)).toMatchObject({ status: 416, code: 'offset_ahead' });
    });

    it.runIf(!name.startsWith('/ws'))(
      'a position of another epoch, ahead of the head or of no log is refused',
      async () => {
        const [epoch, place = '', offset = ''] = ended.position.split('.');
        const refused = (position: string) => ask(ended.id, `position=${position}`);
        expect(await refused(`0000000000000000.${place}.${offset}`)).toMatchObject({
          status: 409,
          code: 'wrong_epoch',
        });
        expect(await refused(`${epoch}.zzzzzz.${offset}`)).toMatchObject({ status: 416, code: 'offset_ahead' });
        for (const garbage of [
          'x',
          '12',
          `${epoch}.1`,
          `${epoch}.-1.0`,
          `${epoch}.01.0`,
          '',
          `${epoch}.0.0.0`,
          '%00',
        ]) {
          expect(await refused(garbage)).toMatchObject({ status: 400, code: 'bad_position' });
        }
        expect(await refused(`${epoch}.5.5`)).toMatchObject({ status: 400, code: 'bad_position' });
      },
    );

    it.runIf(!name.startsWith('/ws'))('since together with another beginning is refused', async () => {
      expect(await ask(ended.id, 'since=0&tail=10')).toMatchObject({ status: 400, code: 'bad_request' });
      expect(await ask(ended.id, `since=0&position=${ended.position}`)).toMatchObject({ status: 400 });
    });
  });

  it('a Last-Event-ID that is no position of this log is refused', async () => {
    const ask = (id: string) => overHttp(output(ended.id, ''), { accept: 'text/event-stream', 'last-event-id': id });
    expect(await ask('garbage')).toMatchObject({ status: 400, code: 'bad_position' });
    expect(await ask(`0000000000000000.0.0`)).toMatchObject({ status: 409, code: 'wrong_epoch' });
  });

  it('the client is told by the same codes', async () => {
    const refusal = async (from: Parameters<ReturnType<typeof gateway.client.session>['attach']>[0]) => {
      const client = gateway.connect();
      try {
        for await (const _ of client.session(ended.id).attach(from));
        return 'nothing';
      } catch (error) {
        return (error as { code: string }).code;
      } finally {
        client.close();
      }
    };
    expect(await refusal({ offset: 1001 })).toBe('offset_ahead');
    expect(await refusal('0000000000000000.0.0')).toBe('wrong_epoch');
    expect(await refusal(`${ended.epoch}.5.5`)).toBe('bad_position');
  });
});

describe('exact-resume: a since at the edges', () => {
  it('0 gives all, and the head gives nothing more, with the offset to go on from', async () => {
    for (const { id } of [ended, running]) {
      for (const [since, text] of [
        [0, TEXT],
        [999, 'x'],
        [1000, ''],
      ] as const) {
        const response = await gateway.fetch(output(id, `since=${since}`));
        expect(response.status).toBe(200);
        expect(response.headers.get('binnacle-next-offset')).toBe('1000');
        expect(await response.text()).toBe(text);
      }
    }
  });

  it('the head of a running session waits for what comes', async () => {
    const begun = performance.now();
    const response = await gateway.fetch(output(running.id, 'since=1000&wait=150'));
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(performance.now() - begun).toBeGreaterThan(140);
  });

  it('the head of a session that has ended still tells how it ended: server-sent events', async () => {
    const response = await gateway.fetch(output(ended.id, 'since=1000'), { headers: { accept: 'text/event-stream' } });
    const names = (await response.text()).match(/^event: .*$/gm);
    expect(names).toEqual(['event: connected', 'event: exit', 'event: closed', 'event: end']);
  });

  it('the head of a session that has ended still tells how it ended: the client', async () => {
    const watcher = new Watcher(gateway.client, ended.id, { offset: 1000 });
    expect(await watcher.ended).toMatchObject({ exitCode: 3 });
    expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
  });

  it('the head of a session that has ended still tells how it ended: /ws/session', async () => {
    const url = `${gateway.url.replace('http', 'ws')}/ws/session/${ended.id}?since=1000`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${gateway.token}` } });
    const frames: { type: string; exit_code?: number }[] = [];
    socket.on('message', (data) => frames.push(JSON.parse(String(data)) as { type: string }));
    const code = await new Promise((resolve) => socket.on('close', resolve));
    expect(frames.map(({ type }) => type)).toEqual(['connected', 'exit']);
    expect(frames[1]?.exit_code).toBe(3);
    expect(code).toBe(1000);
  });
});
