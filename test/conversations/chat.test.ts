// `binnacle chat` against a real gateway: for scripts over pipes, and for people in a real terminal.

import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Commands, type Screen } from '../../packages/server/src/cli/command.fixture.ts';
import { type GatewayFixture, openGateway, until } from '../gateway/gateway.fixture.ts';
import { writeConfig } from './conversation.fixture.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
/** Says numbers in a row for a while, in a process that outlives a gateway. */
const COUNTER = 'for n in $(seq 1 200); do echo "count $n"; sleep 0.05; done';
const RUDE = 'printf "a\\033[2Jb\\033]0;title\\007c\\n"';

let gateway: GatewayFixture;
let commands: Commands;

beforeAll(async () => {
  gateway = await openGateway([], (dir) =>
    writeConfig(dir, {
      agents: {
        entries: {
          main: { driver: 'echo', default: true },
          counter: { driver: 'command', command: ['bash', '-c', COUNTER] },
          rude: { driver: 'command', command: ['bash', '-c', RUDE] },
        },
      },
    }),
  );
});
afterAll(() => gateway.close());

beforeEach(() => {
  commands = new Commands(BINARY, { BINNACLE_DATA: gateway.dir });
});
afterEach(() => commands.end());

/** The key that a chat names when it is left. */
const keyIn = (screen: Screen): string =>
  /binnacle chat '(agent:[^']+)'/.exec(plain(screen).replaceAll('\n', ''))?.[1] ?? '';

const COLUMNS = 100;
const PIECES = new RegExp(`${String.fromCharCode(0x1b)}\\[([0-9;?]*)([A-Za-z])|([^])`, 'gu');

/** The rows of the terminal, those above its top included: what the sequences that a chat uses make of what was written. */
function plain(screen: Screen): string {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  const here = (): string[] => {
    while (rows.length <= row) rows.push([]);
    return rows[row] ?? [];
  };
  for (const [, parameters = '', final, char] of Buffer.from(screen.text(), 'latin1').toString().matchAll(PIECES)) {
    const count = Number(parameters) || 1;
    if (final === 'A') row = Math.max(0, row - count);
    else if (final === 'B') row += count;
    else if (final === 'C') column += count;
    else if (final === 'D') column = Math.max(0, column - count);
    else if (final === 'G') column = count - 1;
    else if (final === 'J') {
      here().length = Math.min(here().length, column);
      rows.length = row + 1;
    } else if (char === '\r') column = 0;
    else if (char === '\n') row += 1;
    else if (char !== undefined && char >= ' ') {
      if (column >= COLUMNS) [row, column] = [row + 1, 0];
      here()[column] = char;
      column += 1;
    }
  }
  return rows
    .map((cells) =>
      Array.from(cells, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

const shows = (screen: Screen, text: string, times = 1): Promise<void> =>
  until(`the screen shows ${text}`, () => plain(screen).split(text).length > times, 15_000);

describe('chat in a script', () => {
  it('prints the answer, and nothing else, on stdout', async () => {
    const { code, out, err } = await commands.run(['chat', '--new', '-m', '/tool it']);
    expect({ code, out }).toEqual({ code: 0, out: 'I call a tool.\n\nIt said: it\n' });
    expect(err).toContain('✓ echo');
  });

  it('takes the message from stdin, all of it', async () => {
    const { code, out } = await commands.run(['chat', '--new'], {}, 'one\n  two\n\n');
    expect({ code, out }).toEqual({ code: 0, out: 'one\n  two\n' });
  });

  it('keeps its bytes in a pipe, whatever they are: only a terminal is to be protected', async () => {
    const { out } = await commands.run(['chat', '--new', '--agent', 'rude', '-m', 'x']);
    expect(out).toBe('a\x1b[2Jb\x1b]0;title\x07c\n');
  });

  it('ends with 1 and the reason when the run fails, and prints what was said', async () => {
    const { code, out, err } = await commands.run(['chat', '--new', '-m', '/fail no more paper']);
    expect({ code, out }).toEqual({ code: 1, out: 'This goes wrong now.\n' });
    expect(err).toContain('no more paper');
  });

  it('ends with 130 when it is stopped by somebody, with what was said until then', async () => {
    const info = await gateway.client.conversations.create({ name: 'stopped' });
    const running = commands.run(['chat', '--name', 'stopped', '-m', `/slow ${'word '.repeat(300)}`]);
    const conversation = gateway.client.conversation(info.key);
    await until('it speaks', async () => ((await conversation.info()).run?.text.length ?? 0) > 10);
    await conversation.abort();
    const { code, out, err } = await running;
    expect(code).toBe(130);
    expect(out).toMatch(/^(word )+\n?$/);
    expect(err).toContain('stopped by');
  });

  it('prints one event a line with --json', async () => {
    const { code, out } = await commands.run(['chat', '--new', '--json', '-m', 'hello']);
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; text?: string });
    expect(code).toBe(0);
    expect(events.map(({ type }) => type).filter((type) => type !== 'delta')).toEqual([
      'message_delivered',
      'run_started',
      'final',
    ]);
    expect(events.at(-1)?.text).toBe('hello');
  });

  it('goes on in the conversation that is named, by its name, its key or the end of that', async () => {
    await commands.run(['chat', '--name', 'kept', '-m', 'first']);
    const { key } = await gateway.client.conversations.create({ name: 'kept' });
    for (const name of [[key], ['kept']])
      expect((await commands.run(['chat', ...name, '-m', 'more'])).out).toBe('more\n');
    expect((await gateway.client.conversation(key).history()).messages).toHaveLength(6);
    const { out } = await commands.run(['chat', '--list']);
    expect(out).toContain(key);
    expect(out).toContain('first');
  });

  it.each([
    [['chat', 'nowhere', '-m', 'x'], 5, 'no conversation "nowhere"'],
    [['chat', 'agent:main:nowhere', '-m', 'x'], 1, 'No such conversation'],
    [['chat', '--agent', 'nobody', '-m', 'x'], 1, 'No such agent'],
    [['chat', '--new', '--name', 'x', '-m', 'x'], 2, 'Name one conversation'],
    [['chat', '-m', ' '], 2, 'There is no message'],
    [['chat', '--steer', 'sideways', '-m', 'x'], 2, 'sideways'],
  ] as const)('says what is wrong with %j', async (args, code, words) => {
    const result = await commands.run([...args]);
    expect(result.err).toContain(words);
    expect(result.code).toBe(code);
    expect(result.out).toBe('');
  });
});

describe('chat in a terminal', () => {
  it('shows what is said, takes commands, and puts the terminal back', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help tells more');
    screen.type('hello\r');
    await shows(screen, 'hello\n\n>');
    screen.type('/queue\r');
    await shows(screen, 'Nothing waits.');
    screen.type('/help\r');
    await shows(screen, '/edit N TEXT');
    screen.type('/quit\r');
    await shows(screen, 'done');
    expect(plain(screen)).toContain('code=0\nicanon echo done');
    expect(screen.text().split('\x1b[?2004h')).toHaveLength(screen.text().split('\x1b[?2004l').length);
  });

  it('shows what was said before, to who comes back', async () => {
    await commands.run(['chat', '--name', 'past', '-m', 'long ago']);
    const screen = await commands.inTerminal('$B chat --name past');
    await shows(screen, '> long ago\nlong ago\n');
    screen.type('\x04');
    await shows(screen, 'code=0');
  });

  it('sends what is typed while the agent works, says where it is, changes it and takes it back', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help tells more');
    screen.type(`/slow ${'word '.repeat(60)}\r`);
    await shows(screen, 'working >');
    screen.type('second\r');
    await shows(screen, '[waits for its turn]');
    screen.type('third\r');
    await shows(screen, '[waits for its turn, number 2 in the queue]');
    screen.type('/edit 1 second, changed\r');
    await shows(screen, '[number 1 is changed]');
    screen.type('/cancel 2\r');
    await shows(screen, '[taken back: third]');
    screen.type('/queue\r');
    await shows(screen, '1. second, changed\n');
    await shows(screen, '[its turn: second, changed]');
    await shows(screen, 'second, changed\n\n>');
    expect(plain(screen)).not.toContain('third\n\n');
  });

  it('stops the run at Ctrl-C, and leaves at the second', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help tells more');
    screen.type(`/slow ${'word '.repeat(100)}\r`);
    await shows(screen, 'working >');
    screen.type('\x03');
    await shows(screen, '[stopped by you]');
    screen.type('\x03');
    await shows(screen, 'code=0');
  });

  it('leaves the run alone when it is left, and says how to come back to it', async () => {
    const screen = await commands.inTerminal('$B chat --new --agent counter');
    await shows(screen, '/help tells more');
    screen.type('go\r');
    await shows(screen, 'count 3');
    screen.type('/quit\r');
    await shows(screen, 'code=0');
    expect(plain(screen)).toContain('it goes on; back with');
    const back = await commands.inTerminal(`$B chat '${keyIn(screen)}'`);
    await shows(back, 'count 1\n');
    await shows(back, 'working >');
    back.type('/stop\r');
    await shows(back, '[stopped by you]');
  });

  it('asks, and takes one key for the answer', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help tells more');
    screen.type('/ask to go on\r');
    await shows(screen, '[y] Allow');
    // A key that was on its way is no answer: it is text until the question has been there for a moment.
    await until('the key is taken', () => {
      screen.type('\x15y');
      return plain(screen).includes('Allow (you)');
    });
    await shows(screen, 'You said "allow".');
  });

  it('goes on through a crash of the gateway: each row is there once', async () => {
    const screen = await commands.inTerminal('$B chat --new --agent counter');
    await shows(screen, '/help tells more');
    screen.type('go\r');
    await shows(screen, 'count 5\n');
    await gateway.kill();
    await shows(screen, 'the connection is lost');
    await gateway.restart();
    await shows(screen, 'connected again');
    await shows(screen, 'count 40\n');
    const rows = plain(screen)
      .split('\n')
      .filter((row) => /^count \d+$/.test(row));
    expect(rows.slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, at) => `count ${at + 1}`));
    screen.type('/stop\r');
    await shows(screen, '[stopped by you]');
  });

  it('lets nothing that an agent says act on the terminal', async () => {
    const screen = await commands.inTerminal('$B chat --new --agent rude');
    await shows(screen, '/help tells more');
    screen.type('go\r');
    await shows(screen, 'abc\n');
    expect(screen.text()).not.toContain('\x1b[2J');
    expect(screen.text()).not.toContain('title');
  });

  it('shows what others send and what comes of it', async () => {
    const screen = await commands.inTerminal('$B chat --name shared');
    await shows(screen, '/help tells more');
    const { token } = await gateway.client.tokens.create({ name: 'Bea', scope: 'admin', user: 'bea' });
    const { key } = await gateway.client.conversations.create({ name: 'shared' });
    await gateway.connect({ token }).conversation(key).send('from next door').ended;
    await shows(screen, 'Bea> from next door\nfrom next door\n');
  });
});
