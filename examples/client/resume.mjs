// Copies the output of a session into a file, exactly, whatever dies meanwhile: the connection, the gateway, or this
// program. Start it again, and it goes on at the byte where it was.
//
//   node examples/client/resume.mjs SESSION FILE
//
// Try it: `kill -9` the gateway while it runs and start it again, or stop this program with Ctrl-C and start it again.
import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { openClient } from './gateway.mjs';

const [id, file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: resume.mjs SESSION FILE');

/** How far the file goes: `position` is opaque and belongs to the session, `length` is ours. */
let saved = { position: 'start', length: 0 };
try {
  saved = JSON.parse(readFileSync(`${file}.position`, 'utf8'));
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
}
const out = openSync(file, saved.length === 0 ? 'w' : 'r+');
ftruncateSync(out, saved.length); // Output after the last saved position arrives again.

const binnacle = openClient();
binnacle.on('state', ({ kind }) => console.error(`── ${kind}`)); // connecting, open, and after a kill: waiting, connecting, open
// A lost connection is made again by the client: this loop does not notice, and gets each byte once.
for await (const event of binnacle.session(id).attach(saved.position)) {
  if (event.type === 'output') {
    writeSync(out, event.bytes, 0, event.bytes.length, saved.length);
    saved = { position: event.position, length: saved.length + event.bytes.length };
    writeFileSync(`${file}.new`, JSON.stringify(saved));
    renameSync(`${file}.new`, `${file}.position`); // Whole or not at all.
  }
  if (event.type === 'gap') throw new Error(`Output up to byte ${event.to} is not kept any more.`);
}
closeSync(out);
binnacle.close();
console.log(`${saved.length} bytes`);
