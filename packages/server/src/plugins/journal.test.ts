import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PluginAudit } from './audit.ts';
import { Journal } from './journal.ts';
import { PluginLog } from './plugin-log.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-journal-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

interface Numbered {
  readonly n: number;
}
const parse = (value: unknown): Numbered | undefined =>
  typeof (value as Partial<Numbered> | null)?.n === 'number' ? (value as Numbered) : undefined;

describe('a journal', () => {
  const open = (more: { readonly maxBytes?: number; readonly maxEntries?: number } = {}) =>
    new Journal({ path: join(dir, 'j.jsonl'), maxBytes: 1000, maxEntries: 100, ...more }, parse);

  it('has after a restart what was written, without the half line that a kill left', () => {
    const first = open();
    for (let n = 1; n <= 3; n++) first.add({ n });
    first.close();
    appendFileSync(join(dir, 'j.jsonl'), '{"n":4');
    const second = open();
    expect(second.entries).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    second.add({ n: 5 });
    second.close();
    const third = open();
    expect(third.entries.map(({ n }) => n)).toEqual([1, 2, 3, 5]);
    third.close();
  });

  it('keeps two files of bounded size, and a bounded number in memory', () => {
    const journal = open({ maxEntries: 20 });
    for (let n = 0; n < 2000; n++) {
      journal.add({ n });
      journal.flush();
      expect(journal.entries.length).toBeLessThanOrEqual(31);
    }
    journal.close();
    expect(statSync(join(dir, 'j.jsonl')).size).toBeLessThan(1100);
    expect(statSync(join(dir, 'j.jsonl.1')).size).toBeLessThan(1100);
    const again = open({ maxEntries: 20 });
    expect(again.entries.at(-1)).toEqual({ n: 1999 });
    expect(again.entries.length).toBeLessThanOrEqual(20);
    again.close();
  });

  it('keeps a bounded number of bytes in memory, however long the lines are', () => {
    const journal = new Journal<{ readonly text: string }>(
      { path: join(dir, 't.jsonl'), maxBytes: 10_000, maxEntries: 1000 },
      () => undefined,
    );
    for (let n = 0; n < 100; n++) journal.add({ text: 'x'.repeat(2000) });
    expect(journal.entries.length).toBeLessThanOrEqual(7);
    expect(journal.entries.length).toBeGreaterThan(2);
    journal.close();
  });

  it('goes on in memory where nothing can be written', () => {
    mkdirSync(join(dir, 'j.jsonl'));
    const journal = open();
    journal.add({ n: 1 });
    expect(() => journal.flush()).not.toThrow();
    expect(journal.entries).toEqual([{ n: 1 }]);
    journal.close();
  });
});

describe('the audit of plugins', () => {
  it('counts what is the same within a second, and keeps apart what is not', () => {
    const audit = new PluginAudit(dir);
    const decision = { plugin: 'p', permission: 'net', outcome: 'denied', target: 'GET https://a' } as const;
    for (let times = 0; times < 5000; times++) audit.decided(decision);
    audit.decided({ ...decision, target: 'GET https://b' });
    audit.decided({ ...decision, plugin: 'q' });
    audit.did('p', 'grant', 'net true', 'admin');
    const entries = audit.recent('p', 10);
    expect(entries).toHaveLength(3);
    expect(entries).toContainEqual(expect.objectContaining({ what: 'grant', outcome: 'done', by: 'admin', count: 1 }));
    expect(entries).toContainEqual(expect.objectContaining({ target: 'GET https://b', count: 1, by: null }));
    expect(entries).toContainEqual(
      expect.objectContaining({ target: 'GET https://a', count: 5000, outcome: 'denied' }),
    );
    audit.close();
    const again = new PluginAudit(dir);
    expect(again.recent('p', 10)).toHaveLength(3);
    expect(again.recent('q', 10)).toHaveLength(1);
    again.close();
  });

  it('of a plugin that asks for another thing each time is counted, and buries nothing', () => {
    const audit = new PluginAudit(dir);
    audit.did('p', 'install', '1.0.0', 'admin');
    audit.decided({ plugin: 'q', permission: 'net', outcome: 'denied', target: 'GET https://q' });
    audit.decided({ plugin: 'p', permission: 'net', outcome: 'denied', target: 'GET https://first' });
    for (let n = 0; n < 60_000; n++) {
      audit.decided({ plugin: 'p', permission: 'storage', outcome: 'allowed', target: `${'k'.repeat(150)}${n}` });
    }
    const entries = audit.recent('p', 1000);
    expect(entries.length).toBeLessThan(30);
    expect(entries).toContainEqual(expect.objectContaining({ what: 'install' }));
    expect(entries).toContainEqual(expect.objectContaining({ target: 'GET https://first' }));
    expect(entries).toContainEqual(expect.objectContaining({ what: 'storage', target: '(others)' }));
    expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(60_002);
    expect(audit.recent('q', 10)).toHaveLength(1);
    audit.forget('p');
    expect(audit.recent('p', 10)).toMatchObject([{ what: 'install' }]);
    audit.close();
  });

  it('passes over lines that somebody wrote into its file', () => {
    writeFileSync(join(dir, 'audit.jsonl'), '{"at":1}\nnull\n[]\n"x"\n');
    const audit = new PluginAudit(dir);
    expect(audit.recent('p', 10)).toEqual([]);
    audit.close();
  });
});

describe('the log of a plugin', () => {
  it('is read from a number on, waits for the next line, and goes on counting after a restart', async () => {
    const log = new PluginLog(dir, 'p');
    log.add('stdout', 'one');
    log.add('stderr', 'two');
    const { lines, next } = log.read(undefined);
    const first = lines[0]?.n ?? 0;
    expect(lines.map(({ n }) => n)).toEqual([first, first + 1]);
    expect(next).toBe(first + 1);
    const waiting = log.next(60_000, new AbortController().signal);
    log.add('gateway', 'three');
    await waiting;
    expect(log.read(next)).toMatchObject({
      lines: [{ n: next + 1, text: 'three', stream: 'gateway' }],
      next: next + 1,
    });
    expect(log.read(next + 1)).toEqual({ lines: [], next: next + 1 });
    log.close();
    const again = new PluginLog(dir, 'p');
    again.add('stdout', 'four');
    expect(again.read(next + 1).lines.map(({ text }) => text)).toEqual(['four']);
    again.clear();
    again.add('stdout', 'five');
    expect(again.read(next + 1).lines.map(({ text }) => text)).toEqual(['five']);
    again.close();
  });

  it('ends a wait when its reader goes', async () => {
    const log = new PluginLog(dir, 'p');
    const stop = new AbortController();
    const waiting = log.next(60_000, stop.signal);
    stop.abort();
    await waiting;
    await log.next(60_000, stop.signal);
    log.close();
  });

  it('cuts what is too long, and is gone when it is removed', () => {
    const log = new PluginLog(dir, 'p');
    log.add('stdout', 'x'.repeat(100_000));
    expect(log.read(undefined).lines[0]?.text).toHaveLength(8192);
    log.clear();
    expect(log.read(undefined).lines).toEqual([]);
    expect(() => readFileSync(join(dir, 'p.log.jsonl'))).toThrow('ENOENT');
    log.close();
  });
});
