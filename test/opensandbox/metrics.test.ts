// The numbers for Prometheus, as its own tool reads them, of a gateway in which everything has happened.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
const dir = mkdtempSync(join(tmpdir(), 'binnacle-metrics-'));
beforeAll(async () => {
  const configPath = join(dir, 'config.jsonc');
  const echo = { driver: 'echo', default: true };
  // No server listens there: a notification that fails is counted, too.
  const notify = { webhook: [{ url: 'http://127.0.0.1:9/' }] };
  writeFileSync(configPath, JSON.stringify({ agents: { entries: { echo } }, notify }), { mode: 0o600 });
  gateway = await openGateway({ configPath, startsAhead: true });
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const promtool = process.env.BINNACLE_PROMTOOL ?? 'promtool';
const hasPromtool = spawnSync(promtool, ['--version']).status === 0;

it('are in the format, are named as Prometheus wants it, and count', async () => {
  const { id } = await gateway.create({ command: 'echo hello; exit 3' });
  await gateway.closed(id);
  const running = await gateway.create({ argv: ['/bin/cat'], labels: { 'odd"key\\': 'a\nb"' } }).catch(() => undefined);
  const viewer = await gateway.frames();
  await viewer.ask({ t: 'subscribe', session: running?.id ?? id });
  const { json: talk } = await gateway.ask('/v1/conversations', { body: {} });
  await gateway.ask(`/v1/conversations/${encodeURIComponent(talk.key)}/messages?wait=5000`, { body: { text: 'hi' } });
  const event = { session_id: 'far', command: 'make', response: 'built\n' };
  await gateway.ask('/v1/pty-traffic/emit', { body: { events: [event, { session_id: '' }] } });
  await gateway.create({ runs: true, mode: 'pipe' });
  await until('the index has seen something', async () => {
    const { text } = await gateway.ask('/metrics');
    return /^binnacle_index_documents [1-9]/m.test(text) || /^binnacle_traffic_events [1-9]/m.test(text);
  });
  const { text, headers } = await gateway.ask('/metrics');
  expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(text).toMatch(/^binnacle_sessions\{state="closed"\} [1-9]/m);
  expect(text).toMatch(/^binnacle_emitted_events_total\{result="stored"\} 1$/m);
  expect(text).toMatch(/^binnacle_emitted_events_total\{result="refused"\} 1$/m);
  // The tool's rules, as far as they can be checked without the tool.
  const kinds = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', kind = '']) => ({ name, kind }));
  expect(kinds.length).toBeGreaterThan(25);
  expect(kinds.filter(({ name, kind }) => name.endsWith('_total') !== (kind === 'counter'))).toEqual([]);
  if (hasPromtool) expect(execFileSync(promtool, ['check', 'metrics'], { input: text }).toString()).toBe('');
});
