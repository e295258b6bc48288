import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPluginId } from '../../config/plugin-id.ts';
import { TOOL_NAME } from '../grant/permissions.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';
import { PluginTools, toolNameOf } from './tools.ts';

const id = fc.stringMatching(/^[a-z][a-z0-9]{0,3}(?:-[a-z0-9]{1,40}){0,2}$/).filter(isPluginId);
const tool = fc.oneof(
  fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/),
  // Who wants to be taken for one that was cut.
  fc.stringMatching(/^[a-z](?:_|__)[0-9a-f]{12}$/),
);

test('no tool has the name of another one, nor of ours, and every agent takes it', () => {
  fc.assert(
    fc.property(id, tool, id, tool, (plugin, name, otherPlugin, otherName) => {
      expect(TOOL_NAME.test(name)).toBe(true);
      const full = toolNameOf(plugin, name);
      expect(full).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
      expect(full).not.toMatch(/^bash_/);
      expect(toolNameOf(plugin, name)).toBe(full);
      if (plugin !== otherPlugin) expect(toolNameOf(otherPlugin, otherName)).not.toBe(full);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['a', 'b-c', 'a-b', 'c'],
  ['a', 'b_c', 'a-b', 'c'],
  ['x'.repeat(60), 'one', 'x'.repeat(60), 'two'],
  ['x'.repeat(61), 'one', 'x'.repeat(60), 'one'],
  ['x'.repeat(50), 'a'.repeat(20), 'x'.repeat(50), 'a'.repeat(21)],
])('%s %s is not %s %s', (plugin, name, otherPlugin, otherName) => {
  expect(toolNameOf(plugin, name)).not.toBe(toolNameOf(otherPlugin, otherName));
});

test('bash is no id of a plugin', () => {
  expect(isPluginId('bash')).toBe(false);
  expect(toolNameOf('bash-x', 'start')).toBe('bash-x_start');
});

function make(answer: unknown) {
  const invoked: unknown[][] = [];
  const offered: OfferInForce<OfferOf<'tool'>> = {
    plugin: 'p',
    offer: { kind: 'tool', name: 't', description: 'x', input: { type: 'object' }, readOnly: false },
    invoke: async (...args) => {
      invoked.push(args);
      return answer;
    },
    invokeOther: () => Promise.reject(new Error('none')),
    note: () => undefined,
  };
  const offers = { inForce: [offered] };
  const source: Offers = {
    inForce: <Kind>(kind: Kind) => (kind === 'tool' ? offers.inForce : []) as never,
    onChange: () => () => undefined,
  };
  const tools = new PluginTools(source);
  const run = () => tools.list()[0]?.run({ a: 1 }, { caller: 'c', via: 'mcp' });
  return { tools, run, invoked, offers };
}

test('a call has what was parsed, who calls, and a deadline', async () => {
  const { run, invoked } = make('fine');
  expect(await run()).toEqual({ text: 'fine', data: undefined });
  expect(invoked).toEqual([[{ input: { a: 1 }, caller: 'c', via: 'mcp' }, 25_000]]);
});

test('what was revoked while somebody waited for a hook is not called', async () => {
  const { tools, invoked, offers } = make('fine');
  const [one] = tools.list();
  offers.inForce = [];
  await expect(one?.run({}, { caller: 'c', via: 'mcp' })).rejects.toMatchObject({ code: 'plugin_stopped' });
  expect(invoked).toEqual([]);
});

test.each([[undefined], [null], [7], [true], [['a']]])('%j is no answer', async (answer) => {
  await expect(make(answer).run()).rejects.toMatchObject({ code: 'plugin_failed', details: { plugin: 'p' } });
});

test('an answer is measured in bytes, as it is sent', async () => {
  await expect(make('é'.repeat(128 * 1024)).run()).resolves.toMatchObject({ data: undefined });
  await expect(make('é'.repeat(128 * 1024 + 1)).run()).rejects.toMatchObject({ code: 'plugin_failed' });
  await expect(make({ a: '\0'.repeat(50_000) }).run()).rejects.toMatchObject({ code: 'plugin_failed' });
});
