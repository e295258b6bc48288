// Steers a session: starts a shell in a terminal, takes the lease, types, resizes, interrupts, and reads the screen.
//
//   node examples/client/steer.mjs
//
// Everyone may watch; only the holder of the lease writes. It is renewed until it is released or taken by somebody else.
import { textOf } from '@binnacle/client';
import { openClient } from './gateway.mjs';

const binnacle = openClient();
const { id } = await binnacle.sessions.create({ argv: ['bash', '--norc'], cols: 80, rows: 24 });
const session = binnacle.session(id);

const output = textOf(session.attach());
let seen = '';
/** Reads on until the program has printed `text`. */
async function waitFor(text) {
  while (!seen.includes(text)) {
    const { value, done } = await output.next();
    if (done) throw new Error(`The program ended before it printed ${text}.`);
    seen += value.text;
  }
  seen = seen.slice(seen.indexOf(text) + text.length);
}

session.lease.on('lost', (error) => console.error(`The lease is lost: ${error.code}`));
await session.lease.acquire({ holder: 'steer.mjs' });
console.log('holder:', (await session.info()).lease?.holder);

await session.write('echo "6 * 7 is $((6 * 7))"\n'); // Resolves when the program's queue has it.
await waitFor('6 * 7 is 42');

await session.resize(100, 30);
await session.write('stty size\n');
await waitFor('30 100'); // rows, columns

await session.write('echo "$((10 ** 3)) seconds"; sleep 1000\n');
await waitFor('1000 seconds'); // Not in what was typed: the terminal echoes that first.
await session.signal('SIGINT'); // To the job in the foreground: the shell goes on.
await session.write('echo "ended with $?"\n');
await waitFor('ended with 130');

console.log((await session.screen()).lines.filter((line) => line !== '').join('\n'));

await session.lease.release();
await session.delete(); // Ends the program, and removes its log.
binnacle.close();
