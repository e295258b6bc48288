import { spawn } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordingOut } from '../acp/acp.fixture.ts';
import type { AgentSettings, TurnEnd } from '../driver.ts';
import { commandDriver } from './command.ts';

const settings = (command: readonly string[], more: Partial<AgentSettings> = {}): AgentSettings => ({
  ...{ id: 'c', driver: 'command', command },
  ...more,
});
const CWD = { state: undefined, memory: null, cwd: '/' };

/** Runs a real program as the gateway would. */
async function run(agent: AgentSettings, text: string, killed = false): Promise<{ answer: string; end: TurnEnd }> {
  const prompt = { id: 'm', text };
  const { argv } = commandDriver.launch(agent, { memory: null, prompt });
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: 'pipe' });
  child.stdin.on('error', () => undefined);
  const out = new RecordingOut(([what, line]) => {
    if (what === 'send') child.stdin.write(`${line}\n`);
    if (what === 'endInput') child.stdin.end();
  });
  const link = commandDriver.link(agent, out, CWD);
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    link.text?.(data);
    if (killed) child.kill('SIGKILL');
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    stderr += data;
  });
  link.prompt(prompt);
  await new Promise<void>((resolve) => {
    child.on('close', (exitCode, signal) => {
      link.exited?.({ exitCode, signal, stderr });
      resolve();
    });
  });
  const answer = out.deeds.map(([what, text]) => (what === 'said' ? text : '')).join('');
  // What was recorded as such.
  return { answer, end: out.deeds.at(-1)?.[1] as TurnEnd };
}

describe('a command', () => {
  test('gets the message on its stdin, and what it prints is the answer', async () => {
    expect(await run(settings(['tr', 'a-z', 'A-Z']), 'hello\nworld')).toEqual({
      answer: 'HELLO\nWORLD',
      end: { kind: 'done' },
    });
  });

  test('gets the message in an argument, as it is, and nothing on its stdin', async () => {
    const text = 'a "b" $HOME `id` $& {prompt}';
    const agent = settings(['sh', '-c', 'printf "%s|%s|" "$1" "$2"; cat', 'sh', '<{prompt}>', 'plain']);
    expect((await run(agent, text)).answer).toBe(`<${text}>|plain|`);
  });

  test('gets the instructions before each message', async () => {
    expect((await run(settings(['cat'], { instructions: 'Be brief.' }), 'hello')).answer).toBe('Be brief.\n\nhello');
  });

  test('that fails says its code and the last of what it complained', async () => {
    const { answer, end } = await run(
      settings(['sh', '-c', 'echo begun; seq 10000 >&2; echo no luck >&2; exit 3']),
      'x',
    );
    expect(answer).toBe('begun');
    expect(end).toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/^sh ended with code 3: ….*no luck$/s),
    });
    expect(JSON.stringify(end).length).toBeLessThan(3000);
  });

  test('that is killed says by which signal', async () => {
    const end = { kind: 'failed', message: 'sh was ended by SIGKILL.' };
    expect(await run(settings(['sh', '-c', 'echo here; exec sleep 60']), 'x', true)).toEqual({ answer: 'here', end });
  });

  test('that closes its stdin without reading is no failure', async () => {
    expect((await run(settings(['true']), 'x'.repeat(1_000_000))).end).toEqual({ kind: 'done' });
  });

  test('that is not named is reported before anything is started', () => {
    const launch = (agent: AgentSettings) => () =>
      commandDriver.launch(agent, { memory: null, prompt: { id: 'm', text: 'x' } });
    expect(launch({ id: 'c', driver: 'command' })).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(launch(settings([]))).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  test('takes no argument that the kernel would not', () => {
    const launch = (text: string) => () =>
      commandDriver.launch(settings(['echo', '{prompt}']), { memory: null, prompt: { id: 'm', text } });
    expect(launch('x'.repeat(128 * 1024))).toThrow(expect.objectContaining({ code: 'message_too_large' }));
    expect(launch('x'.repeat(128 * 1024 - 1))).not.toThrow();
    expect(launch('a\0b')).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});

test('however its output is cut, and wherever a new link goes on, the answer is the whole without the line breaks at its end', () => {
  const piece = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('\n', '\r\n', '\n\n', 'a'));
  const cuts = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), cuts, (pieces, isCut) => {
      const out = new RecordingOut();
      let link = commandDriver.link(settings(['cat']), out, CWD);
      link.prompt({ id: 'm', text: 'x' });
      for (const [i, text] of pieces.entries()) {
        link.text?.(text);
        const state = JSON.parse(JSON.stringify(link.state)) as object;
        if (isCut[i] === true) link = commandDriver.link(settings(['cat']), out, { ...CWD, state });
      }
      link.exited?.({ exitCode: 0, signal: null, stderr: '' });
      const answer = out.deeds.map(([what, text]) => (what === 'said' ? text : '')).join('');
      expect(answer).toBe(pieces.join('').replace(/[\r\n]+$/, ''));
      expect(out.deeds.filter(([what]) => what === 'ended')).toEqual([['ended', { kind: 'done' }]]);
    }),
  );
});

test('a thousand line breaks and more are meant, and take no memory', () => {
  const out = new RecordingOut();
  const link = commandDriver.link(settings(['cat']), out, CWD);
  link.prompt({ id: 'm', text: 'x' });
  for (let n = 0; n < 100; n += 1) link.text?.('\n'.repeat(100));
  expect(JSON.stringify(link.state).length).toBeLessThan(3000);
});
