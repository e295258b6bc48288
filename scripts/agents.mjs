// Installs the agents that the tests talk to, and the tools that read our documents, pinned, outside of the
// dependencies: they are hundreds of megabytes.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { main, root, run } from './run.mjs';

/**
 * Each in a directory of its own, named for its version, so that a new pin installs anew. `BINNACLE_AGENTS_DIR` names
 * another place, which several checkouts can share.
 */
const cache = process.env.BINNACLE_AGENTS_DIR || join(root, 'node_modules/.cache/agents');

/** Agents of JavaScript run on a Node of their own: some want a newer one than the tests run on. */
const NODE = {
  version: '22.23.3',
  install: `node-linux-${process.arch}`,
  program: `node-linux-${process.arch}/bin/node`,
};

/**
 * `install`: what is installed. `program`: in `node_modules`, without the launcher around it, which is a Node process
 * more. `isScript`: it is no program by itself, but JavaScript. `beside`: what it needs and npm would take too new.
 * @typedef {{version: string, install: string, program: string, isScript?: boolean, beside?: string[]}} Agent
 * @type {Record<string, Agent>}
 */
const AGENTS = {
  codex: {
    version: '0.169.0',
    install: '@openai/codex',
    program: `@openai/codex-linux-${process.arch}/vendor/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-musl/bin/codex`,
  },
  opencode: {
    version: '1.18.33',
    install: 'opencode-ai',
    program: `opencode-linux-${process.arch}/bin/opencode`,
  },
  claude: {
    version: '2.1.330',
    install: `@anthropic-ai/claude-code-linux-${process.arch}`,
    program: `@anthropic-ai/claude-code-linux-${process.arch}/claude`,
  },
  gemini: {
    version: '0.61.0',
    install: '@google/gemini-cli',
    program: '@google/gemini-cli/bundle/gemini.js',
    isScript: true,
  },
  qwen: {
    version: '0.24.4',
    install: '@qwen-code/qwen-code',
    program: '@qwen-code/qwen-code/cli-entry.js',
    isScript: true,
  },
  // No agent, but a client of the protocol all the same: the official suite, which needs the newer Node.
  'mcp-conformance': {
    version: '0.1.16',
    install: '@modelcontextprotocol/conformance',
    program: '@modelcontextprotocol/conformance/dist/index.js',
    isScript: true,
  },
};

/**
 * Readers of the documents of the API: linters, generators of clients, parsers. `program` is JavaScript.
 * @type {Record<string, Agent>}
 */
const TOOLS = {
  redocly: { version: '2.77.0', install: '@redocly/cli', program: '@redocly/cli/bin/cli.js' },
  'openapi-typescript': {
    version: '7.13.0',
    install: 'openapi-typescript',
    program: 'openapi-typescript/bin/cli.js',
    beside: ['typescript@5.9.3'],
  },
  'hey-api': {
    version: '0.95.0',
    install: '@hey-api/openapi-ts',
    program: '@hey-api/openapi-ts/bin/run.js',
    beside: ['typescript@5.9.3'],
  },
  orval: { version: '7.13.2', install: 'orval', program: 'orval/dist/bin/orval.js' },
  asyncapi: { version: '3.6.3', install: '@asyncapi/parser', program: '@asyncapi/parser/cjs/index.js' },
};

const LOCK_POLL_MS = 200;
/** Half a gigabyte over a slow line. */
const INSTALL_MS = 600_000;

/**
 * The path of the agent's program; installs the agent on first use. Throws when that fails, with what to do.
 * @param {string} name `codex`, `opencode`, `claude`, `gemini`, `qwen` or `mcp-conformance`
 * @returns {Promise<string>} a native program, or a script of two lines that starts Node with the agent's own
 * @example const claude = await agentBinary('claude'); // …/agents/claude-2.1.330/node_modules/…/claude
 */
export async function agentBinary(name) {
  const agent = AGENTS[name];
  if (agent === undefined) throw new Error(`There is no pinned agent "${name}"; there are ${Object.keys(AGENTS)}.`);
  const program = await installed(name, agent);
  if (agent.isScript !== true) return program;
  const node = await installed('node', NODE);
  const script = join(cache, `${name}-${agent.version}`, name);
  if (!existsSync(script)) {
    // Renamed into its place: another process may start the script at any time.
    const made = `${script}.${process.pid}`;
    writeFileSync(made, `#!/bin/sh\nexec '${node}' '${program}' "$@"\n`, { mode: 0o755 });
    renameSync(made, script);
  }
  return script;
}

/**
 * The path of a tool's JavaScript; installs the tool on first use. Throws when that fails, with what to do.
 * @param {string} name `redocly`, `openapi-typescript`, `hey-api`, `orval` or `asyncapi`
 * @returns {Promise<string>}
 * @example execFileSync(process.execPath, [await toolScript('redocly'), 'lint', 'openapi.json']);
 */
export async function toolScript(name) {
  const tool = TOOLS[name];
  if (tool === undefined) throw new Error(`There is no pinned tool "${name}"; there are ${Object.keys(TOOLS)}.`);
  return await installed(name, tool);
}

/** The path of a program of a package. `name`: of its folder. */
async function installed(name, { version, install, program: path, beside = [] }) {
  const folder = join(cache, `${name}-${version}`);
  const program = join(folder, 'node_modules', path);
  // Written last, so that it also shows an interrupted installation.
  const done = join(folder, '.installed');
  if (existsSync(done) && existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const unlock = await lock(`${folder}.lock`);
  try {
    if (existsSync(done) && existsSync(program)) return program;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
    const spec = `${install}@${version}`;
    console.error(`Installing ${spec} for the tests …`);
    const flags = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder];
    // stdout belongs to whoever calls.
    const code = await run('npm', ['install', ...flags, spec, ...beside], { cwd: folder, stdio: ['ignore', 2, 2] });
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
