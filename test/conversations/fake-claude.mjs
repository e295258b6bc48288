#!/usr/bin/env node
// An agent for tests that speaks stream-json as `claude -p` does, as far as its driver listens. It says the message, and
// `wait` keeps its turn open for what is handed in: that is said, too, until one of them is `done`. `deaf` keeps it open
// for ever and takes nothing in; it ends when it is interrupted.

import { createInterface } from 'node:readline';

const send = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const say = (text) => {
  send({ type: 'stream_event', event: { type: 'message_start' } });
  send({ type: 'stream_event', event: { type: 'content_block_start', content_block: { type: 'text' } } });
  send({ type: 'stream_event', event: { type: 'content_block_delta', delta: { type: 'text_delta', text } } });
};
const finish = (isError = false) => {
  turn = null;
  send({ type: 'result', subtype: 'success', is_error: isError, total_cost_usd: 0.5, usage: { input_tokens: 1 } });
};
/** `wait` or `deaf` while a turn is open. */
let turn = null;

send({ type: 'system', subtype: 'init', session_id: 'fake-session' });
createInterface({ input: process.stdin }).on('line', (line) => {
  const { type, message, uuid, request_id, request } = JSON.parse(line);
  if (type === 'control_request') {
    const isInterrupt = request.subtype === 'interrupt';
    send({ type: 'control_response', response: { subtype: 'success', request_id, response: { cancelled: true } } });
    if (isInterrupt && turn !== null) finish(true);
  } else if (type === 'user') {
    const text = message.content.map((block) => block.text).join('');
    if (turn === 'deaf') return;
    if (turn === 'wait') send({ type: 'user', message, uuid, isReplay: true });
    say(text);
    if (turn === null && (text === 'wait' || text === 'deaf')) turn = text;
    else if (turn === null || text === 'done') finish();
  }
});
