// `npm run dev`: builds on every change, restarts the gateway, serves the page with hot reload. Arguments go to serve.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build, bundles } from './build.mjs';
import { install } from './install.mjs';
import { bin, main, root } from './run.mjs';

const PAGE_PORT = 5173; // vite's usual one
const PAGE = `http://127.0.0.1:${PAGE_PORT}`;
const GATEWAY_PORT = '7118'; // beside that of `npm start`, so that both can run
/** Rolldown ends several bundles for one saved file: restart once. */
const SETTLE_MS = 200;

/** Keeps one gateway running; `restart` replaces it. Programs in its sessions go on. */
function gateway(args) {
  let child;
  let timer;
  let stopping = false;
  const startOne = () => {
    const command = ['serve', '--json', '--port', GATEWAY_PORT, '--origin', PAGE, ...args];
    const started = spawn(bin('binnacle'), command, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    createInterface({ input: started.stdout }).on('line', (line) => announce(line));
    started.once('exit', () => {
      if (child === started) child = undefined;
      if (!stopping) console.error('The gateway stopped; it starts again with the next change.');
    });
  };
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (child === undefined) return startOne();
      child.removeAllListeners('exit');
      child.once('exit', startOne);
      child.kill('SIGTERM');
    }, SETTLE_MS);
  };
  const stop = () => {
    stopping = true;
    clearTimeout(timer);
    child?.kill('SIGTERM');
  };
  return { restart, stop };
}

function announce(line) {
  const { url, data } = JSON.parse(line);
  printLink(url, data).catch((error) =>
    console.error(`Gateway at ${url}, but it gave no login link: ${error.message}`),
  );
}

/** A login link that goes to vite's page instead of the built one. */
async function printLink(url, data) {
  const token = process.env.BINNACLE_TOKEN ?? readFileSync(join(data, 'admin.token'), 'utf8').trim();
  const answer = await fetch(`${url}/v1/tickets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const { ticket } = await answer.json();
  console.error(`Gateway at ${url}. Page with hot reload: ${PAGE}/#ticket=${ticket}`);
}

await main(import.meta, async (args) => {
  await install();
  await build();
  const { watch } = await import('rolldown');
  const { createServer } = await import('vite');
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state');
  const data = args.includes('--data') ? [] : ['--data', join(state, 'binnacle-dev')];
  const running = gateway([...data, ...args]);

  const watcher = watch(bundles());
  watcher.on('event', (event) => {
    if (event.code === 'ERROR') console.error(event.error.message);
    if (event.code === 'END') running.restart();
  });

  const target = `http://127.0.0.1:${GATEWAY_PORT}`;
  const toGateway = { target, changeOrigin: true, ws: true };
  const page = await createServer({
    root: join(root, 'packages/viewer'),
    server: {
      host: '127.0.0.1',
      port: PAGE_PORT,
      strictPort: true,
      proxy: { '/v1': toGateway, '/healthz': toGateway },
    },
  });
  await page.listen();

  await new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  running.stop();
  await Promise.all([watcher.close(), page.close()]);
});
