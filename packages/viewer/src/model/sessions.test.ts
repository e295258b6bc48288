import { describe, expect, it } from 'vitest';
import { foreign, info } from './session.fixture.ts';
import { commandLine, ending, mark, namesCommand, sender, shortId, stateWord, title } from './sessions.ts';

describe('the text of an end', () => {
  it('has the exit code unchanged', () => {
    expect(ending(info({ state: 'closed', exitCode: 3 }))).toBe('exited with code 3');
    expect(mark(info({ state: 'closed', exitCode: 3 }))).toBe('failed');
    expect(mark(info({ state: 'exited', exitCode: 0 }))).toBe('ended');
  });

  it('names the signal', () => {
    expect(ending(info({ state: 'exited', signal: 'SIGKILL' }))).toBe('ended by SIGKILL');
    expect(stateWord(info({ state: 'closed', signal: 'SIGTERM' }))).toBe('ended by SIGTERM');
  });

  it('counts a stop as no failure, and a crash as one', () => {
    const ended = (signal: string) => info({ state: 'closed', running: false, signal });
    for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT']) expect(mark(ended(signal))).toBe('ended');
    for (const signal of ['SIGKILL', 'SIGSEGV', 'SIGABRT']) expect(mark(ended(signal))).toBe('failed');
    expect(stateWord(ended('SIGHUP'))).toBe('ended by SIGHUP');
  });

  it('has for a foreign session what its emitter reported, and names no runner', () => {
    const emitted = (over: Parameters<typeof info>[0]) =>
      info({ ...foreign('ci'), state: 'closed', running: false, ...over });
    expect([ending(emitted({})), mark(emitted({})), stateWord(emitted({}))]).toEqual([
      'ended, its exit code is not known',
      'ended',
      'ended',
    ]);
    expect(mark(emitted({ exitCode: 1 }))).toBe('failed');
    expect(mark(emitted({ signal: 'SIGKILL' }))).toBe('failed');
    expect(ending(emitted({ state: 'lost' }))).not.toMatch(/runner/);
    expect(mark(emitted({ state: 'lost' }))).toBe('lost');
  });

  it('invents no exit code for a lost session', () => {
    expect(ending(info({ state: 'lost' }))).toBe('ended with the computer (its runner died)');
    expect(ending(info({}))).toBeUndefined();
  });
});

describe('names and commands', () => {
  it('shows the text of a shell command, and the name of a program without its path', () => {
    expect(commandLine(info({ argv: ['/bin/bash', '-c', 'npm test'] }))).toBe('npm test');
    expect(commandLine(info({ argv: ['/bin/bash', '-il'] }))).toBe('bash');
    expect(commandLine(info({ argv: ['/usr/bin/htop', '-d', '5'] }))).toBe('htop -d 5');
    // As it came: the last word of a path is not what an emitter's user typed.
    expect(commandLine(info({ ...foreign('ci'), argv: ['cat /etc/hosts'] }))).toBe('cat /etc/hosts');
    expect(title(info({ ...foreign('ci'), argv: [] }))).toBe('ci-session');
  });

  it('names the sender of a foreign session, or its token if that has no user', () => {
    expect(sender('anna')).toBe('anna');
    expect(sender('token-01a2032d-b634c0de')).toBe('a token without a user (token-01a2…)');
    expect(sender('token-7')).toBe('a token without a user (token-7)');
  });

  it('shortens UUIDs and no other ids', () => {
    expect(shortId('58a16b84-9c1f-4e11-8f00-0123456779a5')).toBe('58a16b84…79a5');
    for (const id of ['build-1', '58a16b84', 'nightly-58a16b84-9c1f-4e11-8f00-0123456779a5'])
      expect(shortId(id)).toBe(id);
  });

  it('distinguishes a name that is the command from a name that only begins like it', () => {
    const text = `for i in 1 2 3; do ${'x'.repeat(80)}; done`;
    const shell = ['/bin/bash', '-c', text];
    expect(namesCommand(info({ name: '', argv: shell }))).toBe(true);
    expect(namesCommand(info({ name: text.slice(0, 60), argv: shell }))).toBe(true);
    expect(namesCommand(info({ name: `${text.slice(0, 20)}…`, argv: shell }))).toBe(true);
    expect(namesCommand(info({ name: 'make', argv: ['bash', '-c', 'make\nmake test'] }))).toBe(true);
    expect(namesCommand(info({ name: 'bash', argv: ['/bin/bash'] }))).toBe(true);
    expect(namesCommand(info({ name: 'npm', argv: ['npm', 'test'] }))).toBe(false);
    expect(namesCommand(info({ name: 'for', argv: shell }))).toBe(false);
  });
});
