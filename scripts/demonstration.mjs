// What the pictures show: programs and an agent that look like a day's work, always the same, and touch nothing.
// Each is the text of a Node program; knows no gateway and no page.

const SAY = `
const out = (text) => process.stdout.write(text.replaceAll('\\n', '\\r\\n'));
const title = (text) => out('\\x1b]0;' + text + '\\x07');
const paint = (code, text) => '\\x1b[' + code + 'm' + text + '\\x1b[m';
const stay = () => setInterval(() => {}, 1000);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
`;

/** Tests that have run, with one that fails, and the runner that waits for the next change. */
export const TESTS = `${SAY}
title('harbour');
const files = [['tides', 14, 212], ['charts', 9, 148], ['moorings', 22, 391], ['signals', 6, 87], ['lights', 11, 164]];
out('\\n ' + paint('7;36', ' DEV ') + paint(36, ' v4.1.12 ') + paint(2, '~/harbour') + '\\n\\n');
for (const [name, count, ms] of files) {
  out(' ' + paint(32, '✓') + ' src/' + name + '.test.ts ' + paint(2, '(' + count + ' tests)') + ' ' + paint(33, ms + paint(2, 'ms')) + '\\n');
}
out(' ' + paint(31, '❯') + ' src/pilot.test.ts ' + paint(2, '(8 tests | ') + paint(31, '1 failed') + paint(2, ')') + ' ' + paint(33, '96ms') + '\\n');
out('   ' + paint(31, '× a pilot boards at slack water, and not before') + '\\n');
out('     ' + paint(31, '→ expected 18:42 to be 18:57') + '\\n\\n');
out(paint('7;31', ' FAIL ') + ' src/pilot.test.ts > a pilot boards at slack water, and not before\\n');
out(paint(31, 'AssertionError: expected 18:42 to be 18:57') + '\\n\\n');
out(paint(36, ' ❯ src/pilot.ts:41:19') + '\\n');
const code = [[39, '  const tide = nextSlack(port, arrival);'], [40, '  // Springs turn a quarter of an hour later in the inner harbour.'], [41, '  return tide.at;'], [42, '}']];
for (const [line, text] of code) out('   ' + paint(90, String(line) + '| ') + text.replace('const', paint(35, 'const')).replace('return', paint(35, 'return')).replace(/\\/\\/.*/, (words) => paint(90, words)) + '\\n' + (line === 41 ? '   ' + paint(90, '  |  ') + paint(31, '             ^') + '\\n' : ''));
out('\\n' + paint(2, ' Test Files ') + paint(31, ' 1 failed') + paint(2, ' | ') + paint(32, '5 passed') + paint(90, ' (6)') + '\\n');
out(paint(2, '      Tests ') + paint(31, ' 1 failed') + paint(2, ' | ') + paint(32, '69 passed') + paint(90, ' (70)') + '\\n');
out(paint(2, '   Duration ') + ' 1.84s\\n\\n');
out(' ' + paint('7;31', ' FAIL ') + paint(31, ' Tests failed. Watching for file changes...') + '\\n');
out(paint(2, '       press ') + 'h' + paint(2, ' to show help, press ') + 'q' + paint(2, ' to quit') + '\\n');
stay();
`;

/** A question that somebody has to answer. */
export const RELEASE = `${SAY}
title('release 2.4.0');
out(paint(1, 'harbour 2.4.0') + '  3 migrations, 14 commits since 2.3.2\\n\\n');
for (const step of ['build', 'sign', 'upload to staging', 'smoke tests (42 of 42)']) out(' ' + paint(32, '✓') + ' ' + step + '\\n');
out('\\n' + paint('1;33', '?') + ' Promote to production? ' + paint(2, '[y/N] ') + '\\x1b]9;Promote to production?\\x07');
stay();
`;

/** Work that goes on, with times between, so that there is something to look back over. */
export const IMPORT = `${SAY}
title('import');
(async () => {
  for (let at = 1; ; at += 1) {
    const done = at % 60;
    const bar = '█'.repeat(done / 2) + '░'.repeat(30 - Math.floor(done / 2));
    out('\\r ' + paint(36, bar) + ' ' + String(4100 + at * 37).padStart(6) + ' soundings ');
    if (done === 0) out('\\r\\x1b[K ' + paint(32, '✓') + ' sheet ' + String(at / 60).padStart(2) + '  ' + 'tide gauge, ' + (1200 + at) + ' soundings, ' + (3 + at % 7) + ' wrecks\\n');
    await pause(done === 0 ? 120 + (at / 60 % 4) * 180 : at < 900 ? 3 : 120);
  }
})();
`;

export const LINT = `${SAY}
title('lint');
out('Checked 214 files in 612ms. No fixes applied.\\n');
`;

export const DEPLOY = `${SAY}
title('deploy preview');
out('Uploading 38 files\\n' + paint(31, 'error') + ' the quota of previews is used up: remove one first\\n');
process.exitCode = 1;
`;

/** An agent that speaks ACP: says what it found, mends it, and asks before it commits. */
export const AGENT = `
import { createInterface } from 'node:readline';
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
let session = 'one';
let turn = null;
const update = (body) => send({ method: 'session/update', params: { sessionId: session, update: body } });
const say = (text, messageId) => update({ sessionUpdate: 'agent_message_chunk', messageId, content: { type: 'text', text } });
const tool = (id, fields, result) => {
  update({ sessionUpdate: 'tool_call', toolCallId: id, status: 'in_progress', ...fields });
  update({ sessionUpdate: 'tool_call_update', toolCallId: id, status: 'completed', ...result });
};
const text = (words) => [{ type: 'content', content: { type: 'text', text: words } }];
const plan = (done) => update({ sessionUpdate: 'plan', entries: ['Find why the pilot is early', 'Add the delay of springs', 'Run the tests', 'Commit'].map((content, at) => ({ content, priority: 'medium', status: at < done ? 'completed' : at === done ? 'in_progress' : 'pending' })) });
const before = 'export function boarding(port, arrival) {\\n  const tide = nextSlack(port, arrival);\\n  return tide.at;\\n}\\n';
const after = 'export function boarding(port, arrival) {\\n  const tide = nextSlack(port, arrival);\\n  // Springs turn a quarter of an hour later in the inner harbour.\\n  return tide.isSpring ? later(tide.at, SPRING_DELAY) : tide.at;\\n}\\n';
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, result } = JSON.parse(line);
  if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === 'session/new') send({ id, result: { sessionId: session } });
  else if (method === 'session/prompt') {
    turn = id;
    plan(3);
    say('The pilot boards at the tide of the outer harbour. At springs the inner one turns fifteen minutes later, and nothing adds that.', 'm1');
    tool('t1', { title: 'src/pilot.ts', kind: 'read', locations: [{ path: 'src/pilot.ts' }] }, { content: text(before) });
    tool('t2', { title: 'src/pilot.ts', kind: 'edit', locations: [{ path: 'src/pilot.ts' }] }, { content: [{ type: 'diff', path: 'src/pilot.ts', oldText: before, newText: after }] });
    tool('t3', { title: 'npx vitest run', kind: 'execute', rawInput: { command: 'npx vitest run' } }, { content: text('Test Files  6 passed (6)\\n     Tests  70 passed (70)') });
    say('All 70 tests pass now. I would commit that:', 'm2');
    const command = 'git commit -am "Pilots board with the tide of the inner harbour"';
    update({ sessionUpdate: 'tool_call', toolCallId: 't4', title: command, kind: 'execute', status: 'pending', rawInput: { command } });
    const options = [['yes', 'Allow once', 'allow_once'], ['always', 'Always allow commands that begin with: git commit', 'allow_always'], ['no', 'Deny', 'reject_once']];
    send({ id: 'asked', method: 'session/request_permission', params: { sessionId: session, toolCall: { toolCallId: 't4', title: command, rawInput: { command } }, options: options.map(([optionId, name, kind]) => ({ optionId, name, kind })) } });
  } else if (id === 'asked' && result !== undefined) send({ id: turn, result: { stopReason: 'end_turn' } });
  else if (method === 'session/cancel') send({ id: turn, result: { stopReason: 'cancelled' } });
});
`;
