// Tools of plugins in the hands of an agent with the driver `openai`: a real gateway, real plugins, and a model of ours.

import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import type { PluginLog } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { endOf, makeConversation, pathOf, sendTo, writeConfig } from '../conversations/conversation.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin } from './installed.fixture.ts';

const WORDS = `export default (api) => {
  api.tool({ name: 'upper', title: 'Shout', description: 'Shouts.', run: ({ word }, { caller, via }) => word.toUpperCase() + ' ' + caller + ' ' + via,
    input: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] } });
  api.tool({ name: 'wait', description: 'Never ends.', run: () => { console.log('waits'); return new Promise(() => undefined); } });
};`;
const GUARD = `export default (api) => {
  api.hook('beforeToolCall', ({ tool, input, caller, via }) => {
    console.log(JSON.stringify({ before: tool, input, caller, via }));
    if (input.word === 'secret') return { veto: 'that is not for models' };
  });
  api.hook('afterToolCall', ({ tool, isError, output }) => console.log(JSON.stringify({ after: tool, isError, output })));
};`;

let model: MockLlm;
let gateway: Gateway;
beforeAll(async () => {
  // CALL <tool> <arguments>, and it repeats what came of it.
  model = await startMockLlm({
    answer: ({ input: said, tools }) => {
      const last = said.findLast((one) => one.from !== 'assistant');
      const [, name, input = '{}'] = /^CALL (\S+) ?(.*)$/.exec(last?.from === 'user' ? last.text : '') ?? [];
      if (name === undefined) return undefined;
      const tool = tools.find((one) => one.name === name) ?? { name, schema: {} };
      return { kind: 'tool', tool, input: JSON.parse(input) };
    },
  });
  const entries = { main: { driver: 'openai', url: `${model.url}/v1`, default: true } };
  gateway = await openGateway({ prepare: (dir) => writeConfig(dir, { agents: { entries } }) });
  await installPlugin(gateway, { id: 'words', source: WORDS, permissions: { tools: true } });
  await installPlugin(gateway, { id: 'guard', source: GUARD, permissions: { hooks: true } });
});
afterAll(async () => {
  await gateway.close();
  await model.close();
});

const logOf = async (id: string): Promise<string[]> =>
  (await ask<PluginLog>(gateway, 'GET', `/v1/plugins/${id}/logs`)).lines.map(({ text }) => text);

async function turn(text: string) {
  const { key } = await makeConversation(gateway, {});
  await sendTo(gateway, key, { id: 'm1', text });
  const run = await endOf(gateway, key, 'm1');
  const stream = await (await gateway.fetch(`${pathOf(key)}/events?follow=0`)).text();
  const events = [...stream.matchAll(/^data: (.*)$/gm)].flatMap(
    ([, data = '']) => (JSON.parse(data) as { events: { type: string; tool?: Record<string, unknown> }[] }).events,
  );
  return { run, tools: events.filter(({ type }) => type === 'tool').map(({ tool }) => tool) };
}

it('the model is offered them, and what they answer is in the run and in what it is asked next', async () => {
  const { run, tools } = await turn('CALL words_upper {"word":"ahoy"}');
  expect(run).toMatchObject({ state: 'final', text: 'The tool said: AHOY main driver' });
  expect(tools).toEqual([
    expect.objectContaining({ title: 'Shout', status: 'running', input: { word: 'ahoy' } }),
    expect.objectContaining({ title: 'Shout', status: 'done', output: 'AHOY main driver' }),
  ]);
  const lines = (await logOf('guard')).filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  expect(lines).toContainEqual({ before: 'words_upper', input: { word: 'ahoy' }, caller: 'main', via: 'driver' });
  await until('it was told', async () => (await logOf('guard')).some((line) => line.includes('"isError":false')));
});

it('a veto is told to the model, and nothing is done', async () => {
  const { run, tools } = await turn('CALL words_upper {"word":"secret"}');
  expect(run.text).toContain('vetoed: The plugin "guard" does not allow it: that is not for models');
  expect(tools.at(-1)).toMatchObject({ status: 'failed' });
});

it('arguments that do not fit are told to the model', async () => {
  expect((await turn('CALL words_upper {"word":7}')).run.text).toContain('bad_request: "word": of the type string.');
});

it('an abort does not wait for a tool', async () => {
  const { key } = await makeConversation(gateway, {});
  await sendTo(gateway, key, { id: 'm1', text: 'CALL words_wait {}' });
  await until('the tool waits', async () => (await logOf('words')).includes('waits'));
  await gateway.fetch(`${pathOf(key)}/runs/m1`, { method: 'DELETE' });
  expect(await endOf(gateway, key, 'm1')).toMatchObject({ state: 'aborted' });
});

it('what is not granted is neither offered nor called', async () => {
  await grant(gateway, 'words', 'tools', { names: ['wait'] });
  const { run } = await turn('CALL words_upper {"word":"a"}');
  expect(run.text).toContain('There is no tool "words_upper"');
  const [body] = model.requests.slice(-1).map((one) => one.body as { tools?: { function: { name: string } }[] });
  expect(body?.tools?.map((tool) => tool.function.name)).toEqual(['words_wait']);
  await grant(gateway, 'words', 'tools', false);
  await turn('hello');
  expect(model.requests.at(-1)?.body).not.toHaveProperty('tools');
});
