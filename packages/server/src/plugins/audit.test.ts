import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PluginAudit } from './audit.ts';

const denied = { plugin: 'greeter', permission: 'net', outcome: 'denied', target: 'a.example' } as const;

describe('the audit of plugins', () => {
  let dir: string;
  let audit: PluginAudit;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'audit-'));
    audit = new PluginAudit(join(dir, 'state'));
  });
  afterEach(() => {
    audit.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('has of one that is not installed what people did, and opens no file by its name', () => {
    // As a file outside of the folder would be called that `../outside` names.
    writeFileSync(join(dir, 'outside.audit.jsonl'), `${JSON.stringify({ ...denied, at: 1 })}\n`);
    audit.did('removed', 'remove', '', 'ann');
    const before = readdirSync(join(dir, 'state'));
    expect(audit.done('removed', 10)).toMatchObject([{ what: 'remove', by: 'ann' }]);
    expect(audit.done('../outside', 10)).toEqual([]);
    expect(readdirSync(join(dir, 'state'))).toEqual(before);
  });

  it('has decisions and what people did in one order, newest first', () => {
    audit.did('greeter', 'grant', 'net', null);
    audit.decided(denied);
    audit.decided(denied);
    expect(audit.recent('greeter', 10)).toMatchObject([
      { what: 'net', outcome: 'denied', count: 2 },
      { what: 'grant', outcome: 'done' },
    ]);
    expect(audit.recent('greeter', 1)).toHaveLength(1);
  });
});
