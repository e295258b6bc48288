// Program of an agent's hook: reports the session's state from the event to the gateway. The script in the data
// directory starts it in the background, and the file beside the script names the gateway, which may come back on
// another port. Prints nothing, even on failure.

import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname } from 'node:path';
import { readGatewayFile, whoAnswers } from '../data-dir/gateway-file.ts';
import { HOOKED_AGENTS, statusOfEvent } from './agent-events.ts';

/** Maximum wait for the gateway. A slower gateway is overloaded. */
const TIMEOUT_MS = 2000;

async function main(): Promise<void> {
  const { BINNACLE_HOOK: script, BINNACLE_HOOK_SECRET: secret, BINNACLE_SESSION: session } = process.env;
  const agent = HOOKED_AGENTS.find((one) => one === process.argv[2]);
  if (script === undefined || secret === undefined || session === undefined || agent === undefined) return;
  const report = statusOfEvent(agent, JSON.parse(readFileSync(0, 'utf8')));
  if (report === undefined) return;
  const file = readGatewayFile(dirname(script));
  // Only the gateway may get the secret of the session.
  if (file === undefined || (await whoAnswers(file)) !== 'gateway') return;
  const sent = request(new URL(`/v1/sessions/${encodeURIComponent(session)}/report`, file.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'binnacle-session-secret': secret },
    timeout: TIMEOUT_MS,
  });
  sent.on('response', (response) => response.resume());
  sent.on('timeout', () => sent.destroy());
  sent.on('error', () => undefined);
  // Each event has a process of its own, and the process that started first may send last.
  const at = Number(process.argv[3]);
  sent.end(JSON.stringify(Number.isSafeInteger(at) && at > 0 ? { ...report, at } : report));
}

main().catch(() => {
  // No payload, or no gateway: the agent must not notice.
});
