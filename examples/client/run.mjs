// Runs commands in one living shell: each has its own output and exit code, and the shell keeps its state between them.
//
//   node examples/client/run.mjs
//
// Meanwhile people can watch the same shell, and type into it (`binnacle attach ID`).
import { openClient } from './gateway.mjs';

const binnacle = openClient();
const { id } = await binnacle.sessions.create({ runs: true, mode: 'pipe', name: 'run.mjs' });
const shell = binnacle.session(id);

/** Prints what a command prints, and then how it ended. */
async function run(command, options) {
  console.log(`$ ${command}`);
  const run = shell.run(command, options);
  for await (const event of run) if (event.type === 'output') process.stdout.write(event.bytes);
  const { exitCode, outcome } = await run.ended;
  console.log(`→ ${outcome}, exit code ${exitCode}`);
}

await run('cd /tmp && export GREETING=hello');
await run('echo "$GREETING from $PWD"');
await run('ls /does-not-exist');
await run('echo begun; sleep 1000', { timeoutMs: 500 }); // Ended by the gateway; the shell is there for the next one.
await run('echo "still $GREETING"');

// A run goes on though nobody reads it, and is found again by the two ids, also from another process.
const build = shell.run('sleep 0.2; echo built');
await build.accepted;
const later = binnacle.runs.resume(id, build.id);
for await (const event of later) if (event.type === 'output') process.stdout.write(event.bytes);

await shell.delete();
binnacle.close();
