import { describe, expect, it } from 'vitest';
import { foreign, info } from './session.fixture.ts';
import { age, bytes, commandLine, ending, mark, oneLine, stateWord, ticketIn, title } from './words.ts';

describe('ends in words', () => {
  it('says the exit code as it was', () => {
    expect(ending(info({ state: 'closed', exitCode: 3 }))).toBe('exited with code 3');
    expect(mark(info({ state: 'closed', exitCode: 3 }))).toBe('failed');
    expect(mark(info({ state: 'exited', exitCode: 0 }))).toBe('ended');
  });

  it('names the signal', () => {
    expect(ending(info({ state: 'exited', signal: 'SIGKILL' }))).toBe('ended by SIGKILL');
    expect(stateWord(info({ state: 'closed', signal: 'SIGTERM' }))).toBe('ended by SIGTERM');
  });

  it('tells of a session from elsewhere what its emitter told, and blames no runner', () => {
    const told = (over: Parameters<typeof info>[0]) =>
      info({ ...foreign('ci'), state: 'closed', running: false, ...over });
    expect([ending(told({})), mark(told({})), stateWord(told({}))]).toEqual([
      'ended, its exit code is not known',
      'ended',
      'ended',
    ]);
    expect(mark(told({ exitCode: 1 }))).toBe('failed');
    expect(mark(told({ signal: 'SIGKILL' }))).toBe('failed');
    expect(ending(told({ state: 'lost' }))).not.toMatch(/runner/);
    expect(mark(told({ state: 'lost' }))).toBe('lost');
  });

  it('makes up no exit code for a lost session', () => {
    expect(ending(info({ state: 'lost' }))).toBe('lost: its runner died');
    expect(ending(info({}))).toBeUndefined();
  });
});

describe('small words', () => {
  it('shows the text of a shell command, and the name of a program without its path', () => {
    expect(commandLine(info({ argv: ['/bin/bash', '-c', 'npm test'] }))).toBe('npm test');
    expect(commandLine(info({ argv: ['/bin/bash', '-il'] }))).toBe('bash');
    expect(commandLine(info({ argv: ['/usr/bin/htop', '-d', '5'] }))).toBe('htop -d 5');
    // As it came: the last word of a path is not what an emitter's user typed.
    expect(commandLine(info({ ...foreign('ci'), argv: ['cat /etc/hosts'] }))).toBe('cat /etc/hosts');
    expect(title(info({ ...foreign('ci'), argv: [] }))).toBe('ci-session');
  });

  it('gives ages and sizes in the unit that fits', () => {
    expect([0, 42_000, 300_000, 3 * 3_600_000, 90 * 3_600_000].map(age)).toEqual([
      'now',
      '42 s',
      '5 min',
      '3 h',
      '3 d',
    ]);
    expect([1, 512, 12 * 1024, 3.4 * 1024 * 1024].map(bytes)).toEqual(['1 byte', '512 bytes', '12 KiB', '3.4 MiB']);
  });

  it('keeps control and direction marks out of names', () => {
    expect(oneLine('a\u0007b\u202ec')).toBe('a b c');
    expect(oneLine('x'.repeat(200))).toHaveLength(120);
  });

  it('finds the ticket in a link, in a fragment and alone', () => {
    expect(ticketIn('http://127.0.0.1:7317/#ticket=abc-DEF_123')).toBe('abc-DEF_123');
    expect(ticketIn('#ticket=a%2Eb')).toBe('a.b');
    expect(ticketIn('  abcdefgh12345 ')).toBe('abcdefgh12345');
    expect(ticketIn('http://127.0.0.1:7317/')).toBeUndefined();
    expect(ticketIn('#ticket=%E0%A4')).toBeUndefined();
  });
});
