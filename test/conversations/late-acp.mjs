#!/usr/bin/env node
// An ACP agent for tests that has not heard the end of its turn: it says three words more when it is cancelled. With
// `many N` it asks for so many approvals at once, with `bulk N` it makes so many calls of 60 KB.

import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const say = (sessionId, text) =>
  send({
    method: 'session/update',
    params: { sessionId, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } },
  });
let prompt = null;
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {}, authMethods: [] } });
  else if (method === 'session/new') send({ id, result: { sessionId: 'late' } });
  else if (method === 'session/prompt') {
    prompt = id;
    const text = params.prompt.map((block) => block.text).join('');
    say('late', 'in time');
    const [, many = 0] = /^many (\d+)$/.exec(text) ?? [];
    let lines = '';
    for (let n = 1; n <= Number(many); n += 1) {
      const toolCall = { toolCallId: `t${n}`, title: `call ${n}` };
      const options = [{ optionId: 'no', name: 'No', kind: 'reject_once' }];
      const asked = { sessionId: 'late', toolCall, options };
      lines += `${JSON.stringify({ jsonrpc: '2.0', id: `a${n}`, method: 'session/request_permission', params: asked })}\n`;
    }
    const [, bulk = 0] = /^bulk (\d+)$/.exec(text) ?? [];
    for (let n = 1; n <= Number(bulk); n += 1) {
      const call = { sessionUpdate: 'tool_call', toolCallId: `b${n}`, title: 'bulk', status: 'in_progress' };
      const update = { ...call, rawInput: { text: 'x'.repeat(60_000) } };
      send({ method: 'session/update', params: { sessionId: 'late', update } });
    }
    if (Number(bulk) > 0) say('late', ' and at last');
    // In one write, so that they are read at once.
    process.stdout.write(lines);
    if (text === 'quick') send({ id, result: { stopReason: 'end_turn' } });
  } else if (method === 'session/cancel') {
    for (const word of [' too', ' late', ' now']) say('late', word);
    send({ id: prompt, result: { stopReason: 'cancelled' } });
  }
});
