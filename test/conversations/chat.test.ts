// `binnacle chat` against a real gateway: for scripts over pipes, and for people in a real terminal.

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Commands, type Screen } from '../support/commands.ts';
import { count, inAll, isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { writeConfig } from './conversation.fixture.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
/** Says numbers in a row for a while, in a process that outlives a gateway. */
const COUNTER = 'for n in $(seq 1 200); do echo "count $n"; sleep 0.05; done';
const ASKING = resolve(import.meta.dirname, 'asking-acp.mjs');
const RUDE = 'printf "a\\033[2Jb\\033]0;title\\007c\\n"';

let gateway: Gateway;
let commands: Commands;

const prepare = (dir: string): void =>
  writeConfig(dir, {
    agents: {
      entries: {
        main: { driver: 'echo', default: true },
        counter: { driver: 'command', command: ['bash', '-c', COUNTER] },
        rude: { driver: 'command', command: ['bash', '-c', RUDE] },
        quiet: { driver: 'command', command: ['true'] },
        asking: { driver: 'acp', command: [process.execPath, ASKING], cwd: dir },
      },
    },
  });
beforeAll(async () => {
  gateway = await openGateway({ prepare });
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

  it('streams into a pipe: what is said is there while the agent speaks', async () => {
    const { key } = await gateway.client.conversations.create({ name: 'piped' });
    const conversation = gateway.client.conversation(key);
    const child = spawn(process.execPath, [BINARY, 'chat', key, '-m', `/slow ${'word '.repeat(300)}`], {
      env: { ...process.env, BINNACLE_DATA: gateway.dir },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await until('two words are there', () => out.startsWith('word word'));
    expect((await conversation.info()).run?.state).toBe('running');
    await conversation.abort();
    await new Promise((done) => child.once('close', done));
    expect(out).toMatch(/^(word )+\n$/);
  });

  it('says that a run ended without an answer', async () => {
    const { code, out, err } = await commands.run(['chat', '--new', '--agent', 'quiet', '-m', 'x']);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(err).toContain('the run ended without an answer');
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

  it('stops the run after --timeout, and ends with 130', async () => {
    const { code, err } = await commands.run([
      'chat',
      '--new',
      '--timeout',
      '300ms',
      '-m',
      `/slow ${'word '.repeat(300)}`,
    ]);
    expect(code).toBe(130);
    expect(err).toContain('it took too long');
  });

  const SIGNALS = [
    ['SIGINT', 130, 'aborted', 'stopped by'],
    ['SIGHUP', 129, 'running', 'the agent goes on; return with: binnacle chat'],
    ['SIGTERM', 143, 'running', 'the agent goes on; return with: binnacle chat'],
  ] as const;
  it.each(some(SIGNALS, 2))('at %s ends with %i, and its run is %s', async (signal, code, state, words) => {
    const { key } = await gateway.client.conversations.create({ name: signal });
    const conversation = gateway.client.conversation(key);
    const child = spawn(process.execPath, [BINARY, 'chat', key, '-m', `/slow ${'word '.repeat(300)}`], {
      env: { ...process.env, BINNACLE_DATA: gateway.dir },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<number | null>((done) => child.once('close', done));
    await until('it speaks', async () => ((await conversation.info()).run?.text.length ?? 0) > 10);
    const run = (await conversation.info()).run?.id ?? '';
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(err).toContain(words);
    expect((await conversation.run(run)).state).toBe(state);
    await conversation.abort();
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
    // Other tests send to a key.
    const names = some(['kept', key], 1);
    for (const name of names) expect((await commands.run(['chat', name, '-m', 'more'])).out).toBe('more\n');
    expect((await gateway.client.conversation(key).history()).messages).toHaveLength(2 + 2 * names.length);
  });

  it('lists conversations by key and first words, and one whose last run failed as failed', async () => {
    const begin = async (name: string, text: string): Promise<string> => {
      const { key } = await gateway.client.conversations.create({ name });
      await gateway.client.conversation(key).send(text).ended;
      return key;
    };
    await begin('broken', '/fail it');
    const key = await begin('sound', 'hello from the first');
    const { out } = await commands.run(['chat', '--list']);
    expect(out).toMatch(/:broken +failed /);
    expect(out).toMatch(/:sound +idle /);
    expect(out).toContain(key);
    expect(out).toContain('hello from the first');
  });

  it('lists the agents, and what each can do', async () => {
    const { code, out } = await commands.run(['agents']);
    expect(code).toBe(0);
    expect(out).toMatch(/main +echo +yes +queue, interrupt +yes/);
    expect(out).toMatch(/counter +command +- +queue, interrupt +-/);
    expect(JSON.parse((await commands.run(['agents', '--json'])).out)).toMatchObject({
      agents: [{ id: 'main', isDefault: true }, {}, {}, {}, {}],
    });
  });

  it('tells what waits for approval, and answers it, once', async () => {
    const { key } = await gateway.client.conversations.create({ name: 'asking' });
    const reply = gateway.client.conversation(key).send('/ask to go on');
    await until('it asks', async () => (await gateway.client.conversation(key).info()).approvals.length > 0);
    const told = await commands.run(['approve', 'asking']);
    expect(told.out).toContain('allow  Allow');
    const wrong = await commands.run(['approve', 'asking', 'perhaps']);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('Use one of: allow');
    expect(await commands.run(['approve', 'asking', 'deny_once'])).toMatchObject({ code: 0 });
    expect((await reply.ended)?.text).toContain('You said "deny".');
    expect(await commands.run(['approve', 'asking', 'allow'])).toMatchObject({ code: 1, out: '' });
  });

  inAll('tells that nothing waits for approval', async () => {
    await gateway.client.conversations.create({ name: 'calm' });
    expect(await commands.run(['approve', 'calm'])).toMatchObject({ code: 0, out: '' });
    expect(await commands.run(['approve', 'calm', 'allow'])).toMatchObject({ code: 1, out: '' });
  });

  it.each(
    some(
      [
        [['chat', 'nowhere', '-m', 'x'], 5, ['no conversation "nowhere"']],
        [['chat', 'agent:main:nowhere', '-m', 'x'], 1, ['No such conversation']],
        [['chat', '--timeout', 'soon', '-m', 'x'], 2, ['not a duration']],
        [['approve', 'nowhere'], 5, ['no conversation "nowhere"']],
        [
          ['chat', '--agent', 'nobody', '-m', 'x'],
          1,
          ['No such agent: "nobody"', 'List the agents with binnacle agents'],
        ],
        [['chat', '--new', '--name', 'x', '-m', 'x'], 2, ['Name one conversation']],
        [['chat', '-m', ' '], 2, ['There is no message']],
        [['chat', '--steer', 'sideways', '-m', 'x'], 2, ['sideways']],
      ] as const,
      3,
    ),
  )('says what is wrong with %j', async (args, code, words) => {
    const result = await commands.run([...args]);
    for (const word of words) expect(result.err).toContain(word);
    expect(result.code).toBe(code);
    expect(result.out).toBe('');
  });
});

describe('chat in a terminal', () => {
  it('shows what is said, takes commands, and puts the terminal back', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help lists the commands');
    screen.type('hello\r');
    await shows(screen, 'hello\n\n>');
    screen.type('/queue\r');
    await shows(screen, 'No messages wait.');
    screen.type('/help\r');
    await shows(screen, '/edit N TEXT');
    screen.type('/quit\r');
    await shows(screen, 'done');
    expect(plain(screen)).toContain('code=0\nicanon echo done');
    expect(screen.text().split('\x1b[?2004h')).toHaveLength(screen.text().split('\x1b[?2004l').length);
  });

  it('shows what was said before, to who comes back', async () => {
    const { key } = await gateway.client.conversations.create({ name: 'past' });
    await gateway.client.conversation(key).send('long ago').ended;
    const screen = await commands.inTerminal('$B chat --name past');
    await shows(screen, '> long ago\nlong ago\n');
    screen.type('\x04');
    await shows(screen, 'code=0');
  });

  it('sends what is typed while the agent works, says where it is, changes it and takes it back', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help lists the commands');
    screen.type(`/slow ${'word '.repeat(count({ quick: 400, all: 60 }))}\r`);
    await shows(screen, 'working >');
    screen.type('second\r');
    await shows(screen, '[waits for its turn]');
    screen.type('third\r');
    await shows(screen, '[waits for its turn, number 2 in the queue]');
    screen.type('/edit 1 second, changed\r');
    await shows(screen, '[message 1 is changed]');
    screen.type('/cancel 2\r');
    await shows(screen, '[cancelled: third]');
    screen.type('/queue\r');
    await shows(screen, '1. second, changed\n');
    if (!isAll) {
      screen.type('\x03');
      await shows(screen, '[stopped by you]');
    }
    await shows(screen, '[started: second, changed]');
    await shows(screen, 'second, changed\n\n>');
    expect(plain(screen)).not.toContain('third\n\n');
  });

  inAll('stops the run at Ctrl-C, and leaves at the second', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help lists the commands');
    screen.type(`/slow ${'word '.repeat(100)}\r`);
    await shows(screen, 'working >');
    screen.type('\x03');
    await shows(screen, '[stopped by you]');
    screen.type('\x03');
    await shows(screen, 'code=0');
  });

  it('counts Ctrl-C anew for each run: one stops the next run, however soon it comes', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help lists the commands');
    for (const [at, word] of some(['alpha', 'beta', 'gamma'], 2).entries()) {
      screen.type(`/slow ${`${word} `.repeat(100)}\r`);
      await shows(screen, `\n${word}`);
      screen.type('\x03');
      await shows(screen, '[stopped by you]', at + 1);
    }
    expect(plain(screen)).not.toContain('code=');
    screen.type('\x03');
    await shows(screen, 'code=0');
  });

  it('names the conversation, shares it, and deletes it after a question', async () => {
    const { key } = await gateway.client.conversations.create({ name: 'mine' });
    const conversation = gateway.client.conversation(key);
    const screen = await commands.inTerminal('$B chat --name mine');
    await shows(screen, '/help lists the commands');
    screen.type('/title The release\r');
    await shows(screen, '[now called The release]');
    screen.type('/share\r');
    await shows(screen, '[shared with nobody');
    screen.type('/share ada, bea\r');
    await shows(screen, '[now shared with ada, bea]');
    expect(await conversation.info()).toMatchObject({
      title: 'The release',
      visibility: { kind: 'shared', with: ['ada', 'bea'] },
    });
    screen.type('/share nobody\r');
    await shows(screen, '[now shared with nobody]');
    for (const [key, count] of [
      ['n', 1],
      ['\r', 2],
      ['\x03', 3],
    ] as const) {
      screen.type('/delete\r');
      await shows(screen, 'delete the conversation with all its messages?');
      screen.type(key);
      await shows(screen, '[the conversation stays]', count);
    }
    screen.type('/delete\r');
    await shows(screen, 'delete the conversation with all its messages?');
    screen.type('y');
    await shows(screen, '[the conversation was deleted]');
    await shows(screen, 'code=0');
    expect(plain(screen)).not.toContain('return with');
    await expect(conversation.info()).rejects.toMatchObject({ code: 'conversation_not_found' });
  });

  it('leaves the run alone when it is left, and says how to come back to it', async () => {
    const screen = await commands.inTerminal('$B chat --new --agent counter');
    await shows(screen, '/help lists the commands');
    screen.type('go\r');
    await shows(screen, 'count 3');
    screen.type('/quit\r');
    await shows(screen, 'code=0');
    expect(plain(screen)).toContain('the agent goes on; return with');
    const back = await commands.inTerminal(`$B chat '${keyIn(screen)}'`);
    await shows(back, 'count 1\n');
    await shows(back, 'working >');
    back.type('/stop\r');
    await shows(back, '[stopped by you]');
  });

  inAll('asks, and takes one key for the answer', async () => {
    const screen = await commands.inTerminal('$B chat --new');
    await shows(screen, '/help lists the commands');
    screen.type('/ask to go on\r');
    await shows(screen, '[y] Allow');
    // A key that was on its way is no answer: it is text until the question has been there for a moment.
    await until('the key is taken', () => {
      screen.type('\x15y');
      return plain(screen).includes('Allow (you)');
    });
    await shows(screen, 'You said "allow".');
  });

  const OPTIONS = [
    { optionId: 'a', name: 'Deny', kind: 'allow_always' },
    { optionId: 'b', name: 'Allow', kind: 'reject_once' },
    { optionId: 'b', name: 'Allow', kind: 'allow_once' },
  ];
  /** An agent asks for that; resolves with the screen that shows it. */
  async function asksFor(name: string, rawInput: object, title = 'Run'): Promise<Screen> {
    const { key } = await gateway.client.conversations.create({ name, agent: 'asking' });
    const asked = { toolCall: { toolCallId: '1', title, rawInput }, options: OPTIONS };
    gateway.client
      .conversation(key)
      .send(JSON.stringify(asked))
      .receipt.catch(() => undefined);
    await until('it asks', async () => (await gateway.client.conversation(key).info()).approvals.length === 1, 15_000);
    const screen = await commands.inTerminal(`$B chat '${key}'`);
    await shows(screen, '[n] Deny');
    return screen;
  }

  it.each(
    some(
      [
        ['escape', { command: 'true \x1b]; touch /tmp/PWNED #\x07' }, '│ true ⟨ESC⟩]; touch /tmp/PWNED #⟨BEL⟩\n'],
        ['endless', { command: 'true \x1b]; a\nrm -rf b' }, '│ true ⟨ESC⟩]; a\n  │ rm -rf b\n'],
        ['return', { command: 'rm -rf /home #\rls          ' }, '│ rm -rf /home #⟨CR⟩ls'],
        ['order', { command: 'echo \u202e hsab | live.lruc\u202c' }, '│ echo ⟨U+202E⟩ hsab | live.lruc⟨U+202C⟩\n'],
        ['words', { command: 'rm', args: ['-rf', '/home'], cwd: '/' }, '│ rm -rf /home\n  │ \n  │ in /\n'],
        ['more', { command: 'ls', env: { LD_PRELOAD: 'x' } }, '│     "LD_PRELOAD": "x"\n'],
      ],
      2,
    ),
  )('hides nothing of what an agent asks for: %s', async (name, rawInput, shown) => {
    const screen = await asksFor(`hidden-${name}`, rawInput);
    await shows(screen, shown.replaceAll(/│ \n/g, '│\n'));
    expect(screen.text()).not.toContain('\x1b]');
    // What an answer does is said by us, where the agent says something else; and of one id there is one.
    await shows(screen, '[a] Allow always: “Deny”\n  [n] Deny: “Allow”\n');
    expect(plain(screen)).not.toContain('[y]');
  });

  it('shows all of a long command, says where it begins, and answers with what was chosen', async () => {
    const command = ['rm -rf /home', ...Array.from({ length: 60 }, (_, at) => `echo line ${at}`)].join('\n');
    const screen = await asksFor('long-request', { command }, 'Run \x1b[8mrm');
    await shows(screen, '? Run ⟨ESC⟩[8mrm\n  │ rm -rf /home\n  │ echo line 0\n');
    await shows(screen, '│ echo line 59\n  ↑ 62 rows begin above');
    await until('the key is taken', () => {
      screen.type('\x15n');
      return plain(screen).includes('Deny: “Allow” (you)');
    });
    await shows(screen, '{"outcome":"selected","optionId":"b"}');
  });

  inAll('goes on through a crash of the gateway: each row is there once', async () => {
    const own = await openGatewayProcess({ flags: [], prepare });
    commands = new Commands(BINARY, { BINNACLE_DATA: own.dir });
    const screen = await commands.inTerminal('$B chat --new --agent counter');
    await shows(screen, '/help lists the commands');
    screen.type('go\r');
    await shows(screen, 'count 5\n');
    await own.kill();
    await shows(screen, 'the connection is lost');
    await own.restart();
    await shows(screen, 'reconnected');
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
    await shows(screen, '/help lists the commands');
    screen.type('go\r');
    await shows(screen, 'abc\n');
    expect(screen.text()).not.toContain('\x1b[2J');
    expect(screen.text()).not.toContain('title');
  });

  it('shows what others send and what comes of it', async () => {
    const screen = await commands.inTerminal('$B chat --name shared');
    await shows(screen, '/help lists the commands');
    const { token } = await gateway.client.tokens.create({ name: 'Bea', scope: 'admin', user: 'bea' });
    const { key } = await gateway.client.conversations.create({ name: 'shared' });
    await gateway.connect({ token }).conversation(key).send('from next door').ended;
    await shows(screen, 'Bea> from next door\nfrom next door\n');
  });
});
