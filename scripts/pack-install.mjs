// `npm run pack-install`: packs what is published, lints it, installs it into an empty folder as a user would, without
// install scripts, and runs a session there.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as modules from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIfNeeded } from './build.mjs';
import { install } from './install.mjs';
import { lint, pack } from './packages.mjs';
import { main } from './run.mjs';

/** Runs a program in the folder of the installation, and returns what it prints. */
const runIn = (folder, command, args, env = {}) =>
  execFileSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 300_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();

/** Starts the installed gateway and one session in it, and checks the session's output, the page and the client. */
async function runSession(folder) {
  const binnacle = join(folder, 'node_modules/.bin/binnacle');
  const data = join(folder, 'data');
  const args = ['serve', '--data', data, '--port', '0', '--json'];
  const gateway = spawn(binnacle, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(gateway, 'exit');
  try {
    const failed = ended.then(([code]) => {
      throw new Error(`The gateway ended with ${code}.`);
    });
    const [line] = await Promise.race([once(gateway.stdout, 'data'), failed]);
    failed.catch(() => undefined);
    const { url } = JSON.parse(String(line));
    const env = { BINNACLE_URL: url, BINNACLE_TOKEN: readFileSync(join(data, 'admin.token'), 'utf8').trim() };

    const command = ['run', '--no-attach', '--', 'bash', '-c', 'echo "in a terminal: $(tty)"; exit 3'];
    const id = runIn(folder, binnacle, command, env).split('\n')[0];
    const output = runIn(folder, process.execPath, ['--input-type=module', '-e', FOLLOW, id], env);
    if (!/in a terminal: \/dev\/pts\/\d+/.test(output))
      throw new Error(`The session printed ${JSON.stringify(output)}.`);
    if (!output.endsWith('exit code 3')) throw new Error(`The session ended with ${JSON.stringify(output)}.`);
    const page = await fetch(url);
    if (!(await page.text()).includes('<script')) throw new Error(`${url} is no page: ${page.status}.`);
    console.log(output);
  } finally {
    gateway.kill('SIGTERM');
    await ended.catch(() => undefined);
  }
}

/** A program of a user: it follows a session with the installed client, and deletes it. */
const FOLLOW = `
  import { connect, textOf } from '@binnacle/client';
  import { WebSocket } from 'ws';
  const client = connect({ url: process.env.BINNACLE_URL, token: process.env.BINNACLE_TOKEN, WebSocket });
  const session = client.session(process.argv[1]);
  for await (const { text } of textOf(session.attach())) process.stdout.write(text);
  console.log('exit code', (await session.info()).exitCode);
  await session.delete();
  client.close();
`;

export async function packAndInstall() {
  const scratch = mkdtempSync(join(tmpdir(), 'binnacle-pack-'));
  const folder = join(scratch, 'installed');
  mkdirSync(folder);
  try {
    console.log('── pack');
    const archives = pack(scratch);
    for (const { name } of archives) console.log(name);

    console.log('── publint and attw');
    const faults = (await Promise.all(archives.map((archive) => lint(archive)))).flat();
    for (const fault of faults) console.error(fault);
    if (faults.length > 0) return 1;

    console.log('── install');
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    console.log(runIn(folder, 'npm', ['install', ...options, ...archives.map(({ path }) => path)]));

    console.log('── run');
    // Compiled code is stored there, as a user would have it.
    const cache = join(scratch, 'cache');
    process.env.XDG_CACHE_HOME = cache;
    for (const name of ['NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE']) delete process.env[name];
    console.log(runIn(folder, join(folder, 'node_modules/.bin/binnacle'), ['--version']));
    for (const { name } of archives.filter(({ name }) => name !== '@binnacle/cli'))
      runIn(folder, process.execPath, ['-e', `await import('${name}')`, '--input-type=module']);
    await runSession(folder);
    const compiled = join(cache, 'binnacle');
    const isStored = existsSync(compiled) && readdirSync(compiled).length > 0;
    const canStore = 'enableCompileCache' in modules;
    if (isStored !== canStore) throw new Error(`Compiled code is stored: ${isStored}.`);
    return 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

await main(import.meta, async () => {
  await install();
  await buildIfNeeded();
  const code = await packAndInstall();
  console.log(code === 0 ? 'What is packed can be installed and runs.' : 'What is packed has faults.');
  return code;
});
