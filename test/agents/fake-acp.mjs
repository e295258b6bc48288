#!/usr/bin/env node
// An agent for tests that speaks ACP v1 and does what the prompt says, a line at a time. Needs nothing but Node.
//
//   say TEXT          says it, a word at a time        think TEXT     thinks it
//   message TEXT      says it as another message       slow N         says N words, one each 20 ms
//   tool TEXT         a tool call that prints it       edit PATH [N]  a tool call with a difference (of N lines)
//   ask TEXT          wants permission for a tool      drop TEXT      wants it, and then does not want it any more
//   term COMMAND      runs it in a terminal            linger COMMAND starts it in a terminal, and leaves it there
//   plan A, B         makes a plan                     usage USD      has cost so much, since the session began
//   recall            says what it was told before     read PATH      asks for a file, which no client of ours gives
//   rubbish N         prints N lines that are no JSON  flood MB       prints one line of so many megabytes
//   fail TEXT         the turn fails with an error     die N          exits with N
//   refuse            stops with "refusal"             hang           does nothing more, also when cancelled
//   idle              waits to be cancelled
//
// Flags: --load, --resume (it can go on with a session of another process, which it keeps in --dir DIR),
// --refuse-resume (says that it can resume, and cannot), --late (tells what was said behind the answer to session/load,
// piece by piece), --chatty (and never stops telling), --auth (wants a login), --speaks N (that version of the protocol), --models A,B (a choice of models),
// --no-deny (gives no option to deny with).

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const flags = process.argv.slice(2);
const has = (name) => flags.includes(name);
const flag = (name, otherwise) => (has(name) ? flags[flags.lastIndexOf(name) + 1] : otherwise);
const dir = flag('--dir');
const models = flag('--models', '').split(',').filter(Boolean);

/** By id: what it was told. */
const sessions = new Map();
/** Requests of ours that wait for an answer. */
const pending = new Map();
let model = models[0];
let lastId = 0;
let lastCall = 0;
let lastMessage = 0;
let turn = null;

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const update = (sessionId, update) => send({ method: 'session/update', params: { sessionId, update } });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function request(method, params) {
  lastId += 1;
  // Ids of both kinds are allowed.
  const id = lastId % 2 === 0 ? lastId : `r${lastId}`;
  send({ id, method, params });
  const answer = new Promise((resolve, reject) => pending.set(id, { resolve, reject }));
  return Object.assign(answer, { id });
}

class RpcFailure extends Error {
  constructor(code, message, data) {
    super(message);
    Object.assign(this, { code, data });
  }
}

const chunk = (kind, text, message) => ({
  sessionUpdate: kind,
  messageId: `m${message}`,
  content: { type: 'text', text },
});

async function perform(sessionId, word, rest) {
  const tell = (body) => update(sessionId, body);
  const say = (text) => {
    for (const part of text.match(/\s*\S+/g) ?? []) tell(chunk('agent_message_chunk', part, lastMessage));
  };
  const call = (fields) => {
    lastCall += 1;
    const toolCallId = `call-${lastCall}`;
    tell({ sessionUpdate: 'tool_call', toolCallId, status: 'in_progress', ...fields });
    return toolCallId;
  };
  const done = (toolCallId, fields) =>
    tell({ sessionUpdate: 'tool_call_update', toolCallId, status: 'completed', ...fields });
  const text = (words) => [{ type: 'content', content: { type: 'text', text: words } }];

  const words = {
    say,
    think: () => tell(chunk('agent_thought_chunk', rest, lastMessage)),
    message: () => {
      lastMessage += 1;
      say(rest);
    },
    slow: async () => {
      for (let n = 1; n <= Number(rest) && !turn.isCancelled; n += 1) {
        tell(chunk('agent_message_chunk', `${n} `, lastMessage));
        await pause(20);
      }
    },
    tool: () => {
      const id = call({ title: 'print', kind: 'execute', rawInput: { command: `echo ${rest}` } });
      done(id, { content: text(rest) });
    },
    edit: () => {
      const [path = '', lines] = rest.split(' ');
      const id = call({ title: `Edit ${path}`, kind: 'edit', locations: [{ path }] });
      const newText = lines === undefined ? 'after\n' : 'after\n'.repeat(Number(lines));
      done(id, { content: [{ type: 'diff', path, oldText: 'before\n', newText }] });
    },
    ask: async () => {
      const toolCallId = call({ title: rest, kind: 'execute', status: 'pending', rawInput: { command: rest } });
      const { outcome } = await askFor(sessionId, toolCallId, rest);
      const isAllowed = outcome.outcome === 'selected' && outcome.optionId.startsWith('yes');
      tell({ sessionUpdate: 'tool_call_update', toolCallId, status: isAllowed ? 'completed' : 'failed' });
      say(outcome.outcome === 'selected' ? outcome.optionId : outcome.outcome);
    },
    drop: async () => {
      const toolCallId = call({ title: rest, kind: 'execute', status: 'pending' });
      const asked = askFor(sessionId, toolCallId, rest);
      send({ method: '$/cancel_request', params: { requestId: asked.id } });
      await asked.catch((error) => say(`dropped ${error.code}`));
    },
    term: async () => {
      const { terminalId } = await request('terminal/create', { sessionId, command: rest, outputByteLimit: 1000 });
      const toolCallId = call({ title: rest, kind: 'execute', content: [{ type: 'terminal', terminalId }] });
      const { exitCode, signal } = await request('terminal/wait_for_exit', { sessionId, terminalId });
      const { output, truncated } = await request('terminal/output', { sessionId, terminalId });
      await request('terminal/release', { sessionId, terminalId });
      done(toolCallId, {});
      say(`${truncated ? '…' : ''}${output.replaceAll('\r', '').trim()} [${exitCode ?? signal}]`);
    },
    linger: async () => {
      const { terminalId } = await request('terminal/create', { sessionId, command: rest });
      call({ title: rest, kind: 'execute', content: [{ type: 'terminal', terminalId }] });
      say(terminalId);
    },
    plan: () => {
      const entries = rest.split(', ').map((content) => ({ content, priority: 'medium', status: 'pending' }));
      tell({ sessionUpdate: 'plan', entries });
    },
    usage: () =>
      tell({ sessionUpdate: 'usage_update', used: 10, size: 100, cost: { amount: Number(rest), currency: 'USD' } }),
    recall: () => say(sessions.get(sessionId).slice(0, -1).join(' | ') || 'nothing'),
    read: () => request('fs/read_text_file', { sessionId, path: rest }).catch((error) => say(`no: ${error.code}`)),
    rubbish: () => {
      for (let n = 1; n <= Number(rest || 1); n += 1) process.stdout.write(`warning ${n}: this is no JSON\n`);
    },
    flood: async () => {
      const part = 'x'.repeat(1024 * 1024);
      for (let n = 0; n < Number(rest || 100); n += 1) {
        if (!process.stdout.write(part)) await new Promise((resolve) => process.stdout.once('drain', resolve));
      }
      process.stdout.write('\n');
    },
    fail: () => {
      throw new RpcFailure(-32603, 'Internal error', { details: rest });
    },
    die: () => {
      process.stderr.write('I was told to die.\n');
      process.exit(Number(rest || 1));
    },
    refuse: () => 'refusal',
    hang: () => new Promise(() => setInterval(() => undefined, 1000)),
    idle: async () => {
      while (!turn.isCancelled) await pause(5);
    },
  };
  if (!Object.hasOwn(words, word)) throw new RpcFailure(-32602, `I do not know the word "${word}".`);
  return words[word](rest);
}

function askFor(sessionId, toolCallId, title) {
  const options = [
    { optionId: 'yes', name: 'Yes', kind: 'allow_once' },
    { optionId: 'yes-always', name: 'Yes, always', kind: 'allow_always' },
    { optionId: 'no', name: 'No', kind: 'reject_once' },
    { optionId: 'new', name: 'Something of the future', kind: 'allow_somehow' },
  ];
  return request('session/request_permission', {
    sessionId,
    toolCall: { toolCallId, title, rawInput: { command: title } },
    options: has('--no-deny') ? options.filter(({ kind }) => kind.startsWith('allow')) : options,
  });
}

async function prompt({ sessionId, prompt: blocks }) {
  const text = blocks.map((block) => block.text ?? '').join('\n');
  const said = sessions.get(sessionId);
  said.push(text);
  remember(sessionId, said);
  const mine = { isCancelled: false };
  turn = mine;
  lastMessage += 1;
  let stopReason = 'end_turn';
  for (const line of text.split('\n')) {
    if (mine.isCancelled) break;
    const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line.trim()) ?? [];
    if (word === '') continue;
    const stopped = await perform(sessionId, word, rest);
    if (typeof stopped === 'string') stopReason = stopped;
  }
  return {
    stopReason: mine.isCancelled ? 'cancelled' : stopReason,
    usage: { inputTokens: text.length, outputTokens: 7, totalTokens: text.length + 7 },
  };
}

const fileOf = (sessionId) => join(dir, `${sessionId}.json`);

function remember(sessionId, said) {
  if (dir !== undefined) writeFileSync(fileOf(sessionId), JSON.stringify(said));
}

const options = () =>
  models.length === 0
    ? {}
    : {
        configOptions: [
          {
            ...{ id: 'm', name: 'Model', category: 'model', type: 'select', currentValue: model },
            options: models.map((value) => ({ value, name: value })),
          },
        ],
      };

function known(sessionId) {
  if (dir === undefined || !/^[\w-]+$/.test(sessionId) || !existsSync(fileOf(sessionId))) {
    throw new RpcFailure(-32002, 'Resource not found', { details: sessionId });
  }
  sessions.set(sessionId, JSON.parse(readFileSync(fileOf(sessionId), 'utf8')));
  return sessions.get(sessionId);
}

const methods = {
  initialize: () => ({
    protocolVersion: Number(flag('--speaks', '1')),
    agentCapabilities: { loadSession: has('--load'), sessionCapabilities: has('--resume') ? { resume: {} } : {} },
    authMethods: has('--auth') ? [{ id: 'login', name: 'Login', description: 'Run "fake-acp login".' }] : [],
    agentInfo: { name: 'fake-acp', version: '1.0.0' },
  }),
  'session/new': () => {
    if (has('--auth')) throw new RpcFailure(-32000, 'Authentication required');
    const sessionId = `fake-${process.pid}-${sessions.size + 1}`;
    sessions.set(sessionId, []);
    remember(sessionId, []);
    return { sessionId, ...options() };
  },
  'session/load': ({ sessionId }) => {
    // The protocol wants all that was said told again.
    const tell = async () => {
      for (const text of known(sessionId)) {
        update(sessionId, { sessionUpdate: 'user_message_chunk', content: { type: 'text', text } });
        if (has('--late')) await pause(100);
        update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'said before' } });
        if (has('--late')) await pause(100);
      }
    };
    known(sessionId);
    if (has('--late')) setTimeout(tell, 100);
    else void tell();
    if (has('--chatty')) {
      const title = () => update(sessionId, { sessionUpdate: 'session_info_update', title: 'still here' });
      setInterval(title, 50);
    }
    return options();
  },
  'session/resume': ({ sessionId }) => {
    if (has('--refuse-resume')) throw new RpcFailure(-32602, 'Invalid params', { details: 'not resumable' });
    known(sessionId);
    return options();
  },
  'session/set_config_option': ({ value }) => {
    if (!models.includes(value)) throw new RpcFailure(-32602, `There is no model ${value}.`);
    model = value;
    return options();
  },
  'session/prompt': prompt,
};

createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }).on('line', async (line) => {
  const { id, method, params, result, error } = JSON.parse(line);
  if (method === 'session/cancel') {
    if (turn !== null) turn.isCancelled = true;
  } else if (method === undefined) {
    const asked = pending.get(id);
    pending.delete(id);
    if (error === undefined) asked?.resolve(result);
    else asked?.reject(Object.assign(new Error(error.message), error));
  } else if (id !== undefined) {
    try {
      if (!Object.hasOwn(methods, method)) throw new RpcFailure(-32601, 'Method not found');
      send({ id, result: await methods[method](params) });
    } catch ({ code = -32603, message, data }) {
      send({ id, error: { code, message, ...(data === undefined ? {} : { data }) } });
    }
  }
});
