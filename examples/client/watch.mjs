// Watches a session: prints its output from the first byte on and then live, until its program ends.
//
//   node examples/client/watch.mjs             lists the sessions
//   node examples/client/watch.mjs SESSION     follows one, by its id
//
// Any number of clients may do this at once. A slow one slows down neither the program nor the others.
import { openClient } from './gateway.mjs';

const binnacle = openClient();
const [id] = process.argv.slice(2);

if (id === undefined) {
  for (const { id, state, name } of await binnacle.sessions.all()) console.log(id, state, name);
} else {
  for await (const event of binnacle.session(id).attach()) {
    switch (event.type) {
      case 'attached':
        console.error(`── ${event.info.name}, ${event.info.cols}×${event.info.rows}`);
        break;
      case 'output': // `event.kind` says which stream: tty, stdout or stderr.
        process.stdout.write(event.bytes);
        break;
      case 'gap': // Old output that the gateway no longer keeps. It is announced, never skipped in silence.
        console.error(`── bytes ${event.from} to ${event.to} are not kept any more`);
        break;
      case 'exit':
        console.error(`── ended with ${event.data.exitCode ?? event.data.signal}`);
        break;
    }
  }
}
binnacle.close();
