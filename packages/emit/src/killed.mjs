// An emitter for tests that is killed: emits numbers, and says each on stdout when `output` has returned.
// Arguments: the bundled emitter, the gateway's address, the directory, a session id or nothing, how many numbers.

import { writeSync } from 'node:fs';

const [bundle, url, dir, id, count] = process.argv.slice(2);
const { createEmitter } = await import(bundle);
const emitter = createEmitter({
  url,
  token: process.env.BINNACLE_TOKEN ?? 't',
  buffer: { dir, bytes: 64 * 1024 * 1024 },
  batch: { events: 50, lingerMs: 1 },
  retry: { baseMs: 2, capMs: 20 },
  onDiagnostic: () => undefined,
});
const session = emitter.session(id === '' ? {} : { id });
writeSync(1, `session ${session.id}\n`);
for (let n = 0; n < Number(count); n += 1) {
  session.output(`${n};`.padEnd(10 + ((n * 7919) % 2000), '.'));
  writeSync(1, `${n}\n`);
  if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
session.end({ exitCode: 0 });
const left = await emitter.close(20_000);
writeSync(1, `left ${left.events}\n`);
