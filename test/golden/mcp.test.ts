// Golden transcript: MCP. The handshake, every tool, resources, prompts, and what follows a session.

import { join } from 'node:path';
import { it } from 'vitest';
import { isNotDrawn, type Json, openTranscript } from './transcript.fixture.ts';

it('MCP is answered as it was', async () => {
  const t = await openTranscript('mcp');
  try {
    const cwd = join(t.root, 'work');
    const headers = { Accept: 'application/json, text/event-stream' };
    let last = 0;
    const rpc = async (method: string, params: object = {}, more: object = {}): Promise<Json> => {
      last += 1;
      const { text, headers: got } = await t.ask('POST /mcp', {
        body: { jsonrpc: '2.0', id: last, method, params },
        headers: { ...headers, ...more },
        again: isNotDrawn,
      });
      const data = /^data: (.*)$/m.exec(text)?.[1] ?? text;
      return { ...(data === '' ? {} : JSON.parse(data)), session: got['mcp-session-id'] };
    };
    const call = async (name: string, args: object): Promise<Json> =>
      (await rpc('tools/call', { name, arguments: args })).result?.structuredContent ?? {};

    t.part('the handshake');
    const client = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a test', version: '1' } };
    const { session } = await rpc('initialize', client);
    t.normal.call(session, '<mcp-session>');
    await t.ask('POST /mcp', { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
    await t.ask('POST /mcp', { headers, body: { jsonrpc: '2.0', id: 0, method: 'ping' }, token: null });
    await t.ask('POST /mcp', {
      headers: { Accept: 'application/json' },
      body: { jsonrpc: '2.0', id: 0, method: 'ping' },
    });
    await t.ask('POST /mcp', { headers: { ...headers, 'Content-Type': 'application/json' }, body: 'no JSON' });
    await rpc('ping');
    await rpc('nosuchmethod');

    t.part('tools');
    await rpc('tools/list');
    const { id } = await call('bash_start', {
      command: 'echo begun; read x; echo "got $x"; sleep 60',
      cwd,
      name: 'shell',
      pty: true,
    });
    await t.shows(id, 'begun');
    await call('bash_output', { id, offset: 0 });
    await call('bash_output', { id, until: 'nosuchtext(' });
    await call('bash_input', { id, text: 'ahoy', keys: ['enter'] });
    await t.shows(id, 'got ahoy');
    await call('bash_output', { id, offset: 7, until: 'got', strip_ansi: false });
    await call('bash_screen', { id });
    await call('bash_list', { running: true });
    await call('bash_signal', { id, signal: 'SIGUNKNOWN' });
    await call('bash_signal', { id, signal: 'SIGWINCH' });
    await call('bash_stop', { id, grace_ms: 200 });
    await call('bash_output', { id, block: true });
    await call('bash_output', { id: 'nosuchsession' });
    await call('bash_input', { id, text: 'x', colour: 'red' });
    await call('nosuchtool', {});
    const starting = {
      jsonrpc: '2.0',
      id: 100,
      method: 'tools/call',
      params: { name: 'bash_start', arguments: { command: 'true' } },
    };
    await t.ask('POST /mcp', { headers, body: starting, token: await t.token('view'), as: 'a viewer' });

    t.part('resources and prompts');
    await rpc('resources/list');
    await rpc('resources/templates/list');
    await rpc('resources/read', { uri: `binnacle://sessions/${id}/output` });
    await rpc('resources/read', { uri: 'binnacle://sessions/none/output' });
    await rpc('prompts/list');
    await rpc('prompts/get', { name: 'session', arguments: { id } });
    await rpc('prompts/get', { name: 'nosuchprompt' });
    const ref = { type: 'ref/prompt', name: 'session' };
    await rpc('completion/complete', { ref, argument: { name: 'id', value: 'she' } });

    t.part('following');
    const more = { 'Mcp-Session-Id': session };
    const { id: followed } = await t.create({ argv: ['/bin/cat'], cwd, name: 'followed' });
    await rpc('resources/subscribe', { uri: `binnacle://sessions/${followed}/output` }, more);
    await rpc('resources/subscribe', { uri: `binnacle://sessions/${followed}/output` });
    const isTold = (text: string): boolean => text.includes('notifications/message');
    const stream = t.ask('GET /mcp', { headers: more, until: isTold, show: methodsOf });
    await t.need(`DELETE /v1/sessions/${followed}`);
    await stream;
    await t.ask('GET /mcp');
    await rpc('resources/unsubscribe', { uri: `binnacle://sessions/${followed}/output` }, more);
    await t.ask('DELETE /mcp', { headers: more });
    await t.ask('DELETE /mcp', { headers: more });
    await t.ask('DELETE /mcp', { token: null });

    t.part('without a handshake');
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'a test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const stateless = { 'MCP-Protocol-Version': '2026-07-28' };
    await rpc('server/discover', { _meta: meta }, { ...stateless, 'Mcp-Method': 'server/discover' });
    const args = { name: 'bash_list', arguments: { running: true }, _meta: meta };
    await rpc('tools/call', args, { ...stateless, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'bash_list' });
    t.compare();
  } finally {
    await t.close();
  }
});

/** Messages of a stream by their method, each once: how often an update is told is chance. */
const methodsOf = (text: string): unknown => [
  ...new Set(
    [...String(text).matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => JSON.stringify(JSON.parse(data).method)),
  ),
];
