// Installs the agents that the tests talk to, pinned, outside of the dependencies: they are hundreds of megabytes.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { main, root, run } from './run.mjs';

/** Each in a directory of its own, named for its version, so that a new pin installs anew. */
const cache = join(root, 'node_modules/.cache/agents');

/**
 * `platform`: the package with the program, without the launcher around it, which is a Node process more.
 * @type {Record<string, {version: string, package: string, platform: string, program: string}>}
 */
const AGENTS = {
  codex: {
    version: '0.169.0',
    package: '@openai/codex',
    platform: `@openai/codex-linux-${process.arch}`,
    program: `vendor/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-musl/bin/codex`,
  },
  opencode: {
    version: '1.18.33',
    package: 'opencode-ai',
    platform: `opencode-linux-${process.arch}`,
    program: 'bin/opencode',
  },
};

const LOCK_POLL_MS = 200;
/** Half a gigabyte over a slow line. */
const INSTALL_MS = 600_000;

/**
 * The path of the agent's program; installs it on first use. Throws when that fails, with what to do.
 * @param {string} name `codex` or `opencode`
 * @returns {Promise<string>}
 */
export async function agentBinary(name) {
  const agent = AGENTS[name];
  if (agent === undefined) throw new Error(`There is no pinned agent "${name}"; there are ${Object.keys(AGENTS)}.`);
  const folder = join(cache, `${name}-${agent.version}`);
  const program = join(folder, 'node_modules', agent.platform, agent.program);
  // Written last, so that it also tells an installation that was broken off.
  const done = join(folder, '.installed');
  if (existsSync(done) && existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const unlock = await lock(`${folder}.lock`);
  try {
    if (existsSync(done) && existsSync(program)) return program;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
    const spec = `${agent.package}@${agent.version}`;
    console.error(`Installing ${spec} for the tests …`);
    const flags = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder];
    // stdout belongs to whoever calls.
    const code = await run('npm', ['install', ...flags, spec], { cwd: folder, stdio: ['ignore', 2, 2] });
    const how = `The tests with a real agent need it: npm install ${spec} must work, or put it below ${folder}.`;
    if (code !== 0) throw new Error(`npm could not install ${spec} (exit code ${code}). ${how}`);
    if (!existsSync(program)) throw new Error(`${spec} brought no ${program}. ${how}`);
    writeFileSync(done, '');
    return program;
  } finally {
    unlock();
  }
}

/** A directory can be made once. Of a process that is gone, or that takes too long, it is taken over. */
async function lock(path) {
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, 'pid'), String(process.pid));
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned(path)) rmSync(path, { recursive: true, force: true });
    else await sleep(LOCK_POLL_MS);
  }
}

function isAbandoned(path) {
  const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (made === undefined) return false;
  if (Date.now() - made > INSTALL_MS) return true;
  try {
    process.kill(Number(readFileSync(join(path, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    // The file may not be there yet.
    return error.code === 'ESRCH';
  }
}

await main(import.meta, async (names) => {
  for (const name of names.length === 0 ? Object.keys(AGENTS) : names) console.log(await agentBinary(name));
});
