import type { EntriesOptions, Session, SessionEntry } from '@binnacle/client';
import { BinnacleError, type SessionInfo, type ShownScreen } from '@binnacle/protocol';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { info } from '../model/session.fixture.ts';
import type { Screen } from '../terminal/screen.ts';
import { type PlaybackState, Player, SHORT_PAUSE_MS, SPEEDS } from './player.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const entry = (
  time: number,
  offset: number,
  text: string,
  kind: 'tty' | 'stdout' | 'stderr' = 'tty',
): SessionEntry => ({
  ...{ kind, time, offset },
  bytes: new TextEncoder().encode(text),
});

/** A player of that log, and what it drew. */
function opened(log: readonly SessionEntry[], over: Partial<SessionInfo> = {}) {
  const rendered: string[] = [];
  const requests: EntriesOptions[] = [];
  let played: Partial<PlaybackState> = {};
  let failure: BinnacleError | undefined;
  const screen = {
    write: async (bytes: Uint8Array, _end?: number, kind = 'tty') => {
      rendered.push(kind === 'tty' ? text(bytes) : `${kind} ${text(bytes)}`);
    },
    settled: async () => undefined,
    clear: () => rendered.splice(0),
    resize: () => undefined,
    letterbox: () => undefined,
    runs: { followLog: () => undefined, begin: () => rendered.push('<run>') },
  } as unknown as Screen;
  const session = {
    screen: async ({ at = 0 }) => ({ offset: at, cols: 80, rows: 24, data: `<screen ${at}>` }) as ShownScreen,
    entries: async function* (options: EntriesOptions) {
      requests.push(options);
      if (failure !== undefined) throw failure;
      for (const one of log) {
        if (failure !== undefined) throw failure;
        if (one.kind === 'gap' || one.offset >= (options.since ?? 0)) yield one;
      }
    },
  } as unknown as Session;
  const player = new Player(session, info(over), screen, (change) => {
    played = { ...played, ...change };
  });
  const fail = (error: BinnacleError | undefined): void => {
    failure = error;
  };
  return { player, rendered, requests, played: () => played, fail };
}

it.each(SPEEDS)('at %i× the playback is that many times shorter', async (speed) => {
  const { player, rendered, played } = opened([entry(1000, 0, 'a'), entry(9000, 1, 'b')]);
  player.pace(speed, false);
  player.play();
  player.seek(1000, 0);
  await vi.advanceTimersByTimeAsync(8000 / speed - 5);
  expect(rendered).toEqual(['<screen 0>', 'a']);
  await vi.advanceTimersByTimeAsync(10);
  expect(rendered).toEqual(['<screen 0>', 'a', 'b']);
  expect(played()).toMatchObject({ phase: 'over', time: 9000, offset: 2 });
});

it('with shortened pauses a long pause takes a second at any speed, and a short one its own time', async () => {
  const { player, rendered } = opened([entry(0, 0, 'a'), entry(3_600_000, 1, 'b'), entry(3_600_400, 2, 'c')]);
  player.pace(1, true);
  player.play();
  player.seek(0, 0);
  await vi.advanceTimersByTimeAsync(SHORT_PAUSE_MS - 20);
  expect(rendered.at(-1)).toBe('a');
  await vi.advanceTimersByTimeAsync(40);
  expect(rendered.at(-1)).toBe('b');
  await vi.advanceTimersByTimeAsync(340);
  expect(rendered.at(-1)).toBe('b');
  await vi.advanceTimersByTimeAsync(60);
  expect(rendered.at(-1)).toBe('c');
});

it('the speed can change within a pause, and a paused playback waits for ever', async () => {
  const { player, rendered, played } = opened([entry(0, 0, 'a'), entry(80_000, 1, 'b')]);
  player.pace(1, false);
  player.play();
  player.seek(0, 0);
  await vi.advanceTimersByTimeAsync(40_000);
  player.pause();
  await vi.advanceTimersByTimeAsync(1_000_000);
  expect(rendered.at(-1)).toBe('a');
  expect(played()).toMatchObject({ phase: 'paused' });
  expect(played().time).toBeGreaterThan(39_000);
  expect(played().time).toBeLessThan(41_000);
  player.pace(16, false);
  player.play();
  await vi.advanceTimersByTimeAsync(2400);
  expect(rendered.at(-1)).toBe('a');
  await vi.advanceTimersByTimeAsync(200);
  expect(rendered.at(-1)).toBe('b');
});

it('a moment shows the output up to it, and nothing later until playback', async () => {
  const { player, rendered, played } = opened([entry(0, 0, 'a'), entry(500, 1, 'b'), entry(900, 2, 'c')]);
  player.seek(500, 1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(rendered).toEqual(['<screen 1>', 'b']);
  expect(played()).toMatchObject({ phase: 'paused', time: 500, offset: 2 });
  player.seek(0, 0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(rendered).toEqual(['<screen 0>', 'a']);
});

it('a mark shows the output before it, and nothing printed later in the same millisecond', async () => {
  const { player, rendered, played } = opened([entry(0, 0, 'a'), entry(500, 1, 'b'), entry(500, 2, 'c')]);
  player.seek(500, 2, true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(rendered).toEqual(['<screen 2>']);
  expect(played()).toMatchObject({ phase: 'paused', time: 500, offset: 2 });
  player.play();
  await vi.advanceTimersByTimeAsync(100);
  expect(rendered).toEqual(['<screen 2>', 'c']);
});

it('pipes are replayed without a screen: with some output before the moment, and each stream as itself', async () => {
  const far = 100_000;
  const { player, rendered, requests } = opened(
    [
      entry(0, far - 10, 'out\n', 'stdout'),
      entry(100, far - 6, 'err\n', 'stderr'),
      entry(900, far - 2, 'on', 'stdout'),
    ],
    { mode: 'pipe', outputOffset: far },
  );
  player.seek(100, far - 6);
  await vi.advanceTimersByTimeAsync(1000);
  expect(requests[0]?.since).toBe(far - 6 - 32 * 1024);
  expect(rendered).toEqual(['stdout out\n', 'stderr err\n']);
  player.play();
  await vi.advanceTimersByTimeAsync(1000);
  expect(rendered.at(-1)).toBe('stdout on');
});

it('a read failure is reported, and another moment is tried anew', async () => {
  const { player, played, fail } = opened([entry(0, 0, 'a')]);
  fail(new BinnacleError('unreachable'));
  player.seek(0, 0);
  await vi.advanceTimersByTimeAsync(10);
  expect(played()).toMatchObject({ phase: 'paused', error: { code: 'unreachable' } });
  fail(undefined);
  player.seek(0, 0);
  await vi.advanceTimersByTimeAsync(10);
  expect(played()).toMatchObject({ phase: 'over', error: undefined });
});

it('an interrupted playback continues from there', async () => {
  const { player, rendered, played, fail } = opened([entry(0, 0, 'a'), entry(500, 1, 'b'), entry(900, 2, 'c')]);
  player.play();
  player.seek(0, 0);
  await vi.advanceTimersByTimeAsync(100);
  fail(new BinnacleError('unreachable'));
  await vi.advanceTimersByTimeAsync(500);
  expect(played()).toMatchObject({ phase: 'paused', time: 500, error: { code: 'unreachable' } });
  expect(rendered.at(-1)).toBe('b');
  player.play();
  await vi.advanceTimersByTimeAsync(10);
  expect(played()).toMatchObject({ phase: 'paused', time: 500, error: { code: 'unreachable' } });
  fail(undefined);
  player.play();
  await vi.advanceTimersByTimeAsync(10);
  expect(played()).toMatchObject({ phase: 'playing', error: undefined });
  expect(rendered).toEqual(['<screen 2>']);
  await vi.advanceTimersByTimeAsync(500);
  expect(rendered.at(-1)).toBe('c');
  expect(played()).toMatchObject({ phase: 'over', error: undefined });
});
