#!/usr/bin/env node
// An ACP agent for tests that asks for whatever its prompt says: the prompt is `{toolCall, options}` as JSON. It says what it
// was answered. With `{updates}` it tells those, and asks nothing; a number as `newText` is so many empty lines.

import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
let turn = null;

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, result } = JSON.parse(line);
  if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === 'session/new') send({ id, result: { sessionId: 's' } });
  else if (method === 'session/prompt') {
    turn = id;
    const { updates, ...asked } = JSON.parse(params.prompt.map(({ text }) => text ?? '').join(''));
    if (updates !== undefined) {
      for (const update of updates) {
        for (const part of Array.isArray(update.content) ? update.content : []) {
          if (typeof part.newText === 'number') part.newText = '\n'.repeat(part.newText);
        }
        send({ method: 'session/update', params: { sessionId: 's', update } });
      }
      send({ id, result: { stopReason: 'end_turn' } });
    } else send({ id: 'asked', method: 'session/request_permission', params: { sessionId: 's', ...asked } });
  } else if (id === 'asked') {
    const text = JSON.stringify(result?.outcome ?? null);
    const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
    send({ method: 'session/update', params: { sessionId: 's', update } });
    send({ id: turn, result: { stopReason: 'end_turn' } });
  }
});
