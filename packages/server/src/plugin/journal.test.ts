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
    expect(audit.recent('p', 10)).toMatchObject([
      { what: 'grant', outcome: 'done', by: 'admin', count: 1 },
      { target: 'GET https://b', count: 1, by: null },
      { target: 'GET https://a', count: 5000, outcome: 'denied' },
    ]);
    audit.close();
    const again = new PluginAudit(dir);
    expect(again.recent('p', 10)).toHaveLength(3);
    expect(again.recent('q', 10)).toHaveLength(1);
    again.close();
  });

  it('of a plugin that asks for another thing each time keeps the newest, in files of bounded size', () => {
    const audit = new PluginAudit(dir);
    for (let n = 0; n < 60_000; n++) {
      audit.decided({ plugin: 'p', permission: 'storage', outcome: 'allowed', target: `${'k'.repeat(150)}${n}` });
    }
    expect(audit.recent('p', 1)[0]?.target).toMatch(/59999$/);
    audit.close();
    expect(statSync(join(dir, 'audit.jsonl')).size).toBeLessThan(5 * 1024 * 1024);
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
    expect(log.read(undefined)).toMatchObject({ lines: [{ n: 1 }, { n: 2 }], next: 2 });
    const waiting = log.next(60_000, new AbortController().signal);
    log.add('gateway', 'three');
    await waiting;
    expect(log.read(2)).toMatchObject({ lines: [{ n: 3, text: 'three', stream: 'gateway' }], next: 3 });
    expect(log.read(3)).toEqual({ lines: [], next: 3 });
    log.close();
    const again = new PluginLog(dir, 'p');
    again.add('stdout', 'four');
    expect(again.read(3)).toMatchObject({ lines: [{ n: 4 }], next: 4 });
    again.close();
  });

  it('ends a wait when its reader goes', async () => {
    const log = new PluginLog(dir, 'p');
    const gone = new AbortController();
    const waiting = log.next(60_000, gone.signal);
    gone.abort();
    await waiting;
    await log.next(60_000, gone.signal);
    log.close();
  });

  it('cuts what is too long, and is gone when it is removed', () => {
    const log = new PluginLog(dir, 'p');
    log.add('stdout', 'x'.repeat(100_000));
    expect(log.read(undefined).lines[0]?.text).toHaveLength(8192);
    log.remove();
    expect(() => readFileSync(join(dir, 'p.log.jsonl'))).toThrow('ENOENT');
  });
});
