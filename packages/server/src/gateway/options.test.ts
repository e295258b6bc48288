import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GATEWAY_DEFAULTS, withDefaults } from './options.ts';

const DOCUMENT = new URL('../../../../docs/operations.md', import.meta.url);
const SOURCE = new URL('options.ts', import.meta.url);

const BYTES = [['GiB', 1024 ** 3] as const, ['MiB', 1024 ** 2] as const, ['KiB', 1024] as const];
const TIMES = [['days', 24 * 3600_000] as const, ['min', 60_000] as const, ['s', 1000] as const, ['ms', 1] as const];

/** A default as the document has it. */
function textOf(option: string, value: unknown): string {
  if (option === 'clocks') return 'those of the machine';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : String(value);
  if (typeof value !== 'number') return `\`${value}\``;
  const units = option.endsWith('Bytes') ? BYTES : option.endsWith('Ms') ? TIMES : [];
  const [unit, size] = units.find(([, each]) => value % each === 0) ?? ['', 1];
  if (unit !== '') return `${value / size} ${unit}`;
  return option === 'port' ? String(value) : value.toLocaleString('en');
}

const squeezed = (text: string): string => text.replace(/\s+\*?\s*/g, ' ').trim();

describe('the options of the gateway', () => {
  it('stand in the document with their defaults and meanings, all of them and no other', () => {
    const section = readFileSync(DOCUMENT, 'utf8').split('## Options of `startGateway`')[1]?.split('\n## ')[0] ?? '';
    const rows = section.matchAll(/^\| `(\w+)` \| (.+?) \| (.+) \|$/gm);
    const documented = Array.from(rows, ([, option = '', value, meaning]) => ({ option, value, meaning }));
    const source = readFileSync(SOURCE, 'utf8');
    const expected = Object.entries(GATEWAY_DEFAULTS).map(([option, value]) => {
      const comment = new RegExp(String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*${option}: `).exec(source)?.[1] ?? '';
      return { option, value: textOf(option, value), meaning: squeezed(comment.replace(/^\s*\*/gm, '')) };
    });
    expect(documented).toEqual(expected);
  });

  it('have their defaults also where they are passed as undefined', () => {
    const settings = withDefaults({ dataDir: '/data', maxSessions: 5, ...({ port: undefined } as object) }, '/data');
    expect(settings).toMatchObject({ host: '127.0.0.1', port: 7117, maxSessions: 5, orphanMs: 0 });
    expect(settings).toMatchObject({ configPath: '/data/config.jsonc', isConfigRequired: false });
  });

  it('that depend on others follow them', () => {
    const settings = withDefaults({ dataDir: '/data', retainBytes: 1024 ** 2, maxConversations: 95 }, '/data');
    expect(settings).toMatchObject({ segmentBytes: 256 * 1024, maxConversationsOfPlugin: 10 });
    expect(withDefaults({ dataDir: '/data', orphans: 50 }, '/data').orphanMs).toBe(50);
  });
});
