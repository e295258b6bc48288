// What the tests of the core share: a gateway with short times, in a process of its own or in that of the tests, and agents
// that can be steered.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type {
  ConversationEvent,
  ConversationInfo,
  ConversationRun,
  MessageInfo,
  MessagePage,
  SendReceipt,
} from '@binnacle/protocol';
import type { GatewayOptions } from '../../packages/server/src/gateway/options.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { Ask, Reply } from '../support/gateway-access.ts';
import { GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { pathOf, Transcript, Wire, writeConfig } from './conversation.fixture.ts';

const FAKE_ACP = resolve(import.meta.dirname, '../agents/fake-acp.mjs');
const FAKE_CLAUDE = resolve(import.meta.dirname, 'fake-claude.mjs');

/** Agents that most tests need. `acp` does what it is told, `claude` can be handed messages in the middle of a turn. */
export const AGENTS = {
  main: { driver: 'echo', default: true },
  shell: { driver: 'command', command: ['sh'] },
  acp: { driver: 'acp', command: [process.execPath, FAKE_ACP] },
  claude: { driver: 'claude-code', command: [process.execPath, FAKE_CLAUDE] },
} as const;

export class Core<Host extends Gateway | GatewayProcess = GatewayProcess> {
  readonly gateway: Host;
  readonly #wires: Wire[] = [];

  constructor(gateway: Host) {
    this.gateway = gateway;
  }

  get dir(): string {
    return this.gateway.dir;
  }

  configure(config: object): void {
    writeConfig(this.dir, config);
  }

  ask(path: string, ask?: Ask): Promise<Reply> {
    return this.gateway.ask(path, ask);
  }

  /** The body of an answer that must have this status. */
  async must<T>(status: number, path: string, ask?: Ask): Promise<T> {
    const reply = await this.ask(path, ask);
    if (reply.status !== status) throw new Error(`Expected ${status} of ${path}, got ${reply.status}: ${reply.text}`);
    return reply.json as T;
  }

  /** Begins a conversation; gives its key. */
  async make(agent: string, asked: object = {}, token = this.gateway.token): Promise<string> {
    const reply = await this.ask('/v1/conversations', { body: { agent, ...asked }, token });
    if (reply.status !== 201) throw new Error(`It was not made: ${reply.text}`);
    return reply.json.key;
  }

  send(key: string, id: string, text: string, more: object = {}, token?: string): Promise<SendReceipt> {
    const body = { id, text, ...more };
    return this.must(202, `${pathOf(key)}/messages`, { body, ...(token === undefined ? {} : { token }) });
  }

  /** What becomes of a message that may be refused. */
  trySend(key: string, body: unknown, ask: Ask = {}): Promise<Reply> {
    return this.ask(`${pathOf(key)}/messages`, { body, ...ask });
  }

  info(key: string): Promise<ConversationInfo> {
    return this.must(200, pathOf(key));
  }

  message(key: string, id: string): Promise<MessageInfo> {
    return this.must(200, `${pathOf(key)}/messages/${id}`);
  }

  run(key: string, id: string): Promise<ConversationRun> {
    return this.must(200, `${pathOf(key)}/runs/${id}`);
  }

  /** The run when it has ended. */
  async end(key: string, id: string): Promise<ConversationRun> {
    for (;;) {
      const run = await this.must<ConversationRun>(200, `${pathOf(key)}/runs/${id}?wait=20000`);
      if (run.state !== 'running' && run.state !== 'queued') return run;
    }
  }

  abort(key: string, run: string): Promise<{ readonly aborted: readonly string[] }> {
    return this.must(200, `${pathOf(key)}/runs/${run}`, { method: 'DELETE' });
  }

  abortAll(key: string): Promise<{ readonly aborted: readonly string[] }> {
    return this.must(200, `${pathOf(key)}/abort`, { method: 'POST' });
  }

  /** Waits until the run under way has said so much. */
  async said(key: string, text: string): Promise<void> {
    await until(`"${text}" is said`, async () => (await this.info(key)).run?.text.includes(text) === true);
  }

  async history(key: string, query = '?limit=200'): Promise<readonly MessageInfo[]> {
    return (await this.must<MessagePage>(200, `${pathOf(key)}/messages${query}`)).messages;
  }

  /** All events of its log, checked: the deltas of a run are the text of its end. */
  async log(key: string): Promise<Transcript> {
    const { text } = await this.ask(`${pathOf(key)}/events?follow=0`);
    const transcript = new Transcript();
    for (const { event, data } of parseSse(text)) {
      if (event === 'events') transcript.take((data as { readonly events: ConversationEvent[] }).events);
    }
    return transcript;
  }

  /** The ids of the runs of a conversation, in the order in which they began. */
  async begun(key: string): Promise<string[]> {
    return (await this.log(key)).events.flatMap((event) => (event.type === 'run_started' ? [event.run.id] : []));
  }

  async wire(token = this.gateway.token): Promise<Wire> {
    const wire = await Wire.open(this.gateway.url, token);
    this.#wires.push(wire);
    return wire;
  }

  /** A token of a user. */
  async tokenOf(user: string, scope = 'input'): Promise<string> {
    const body = { name: `token of ${user}`, scope, user };
    return (await this.must<{ readonly token: string }>(201, '/v1/tokens', { body })).token;
  }

  async metric(name: string): Promise<number> {
    const { text } = await this.ask('/metrics');
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`There is no ${name} in ${text}`);
    return Number(line.slice(name.length));
  }

  /** As a service manager does it. */
  stop(): Promise<void> {
    return this.gateway.stop();
  }

  start(): Promise<void> {
    return this.gateway.start();
  }

  async kill(): Promise<void> {
    if (!(this.gateway instanceof GatewayProcess)) throw new Error('openCore() opens a gateway that can be killed.');
    await this.gateway.kill();
  }

  /** Over a SIGKILL, where the gateway has a process of its own. */
  async restart(): Promise<void> {
    await (this.gateway instanceof GatewayProcess ? this.kill() : this.stop());
    await this.start();
  }

  /** Ends all agents, too. */
  async close(): Promise<void> {
    for (const wire of this.#wires) wire.terminate();
    if (this.gateway instanceof GatewayProcess && !isAlive(this.gateway.pid)) await this.start();
    try {
      const path = '/v1/conversations?limit=200';
      const list = await this.must<{ readonly conversations: readonly ConversationInfo[] }>(200, path);
      await Promise.all(list.conversations.map(({ key }) => this.ask(pathOf(key), { method: 'DELETE' })));
    } catch (cause) {
      const stderr = this.gateway instanceof GatewayProcess ? this.gateway.stderr : '';
      throw new Error(`The gateway did not answer: ${stderr}`, { cause });
    }
    await this.gateway.close();
  }
}

/** A config file, or one that depends on the data directory. */
export type Config = object | ((dir: string) => object);
const writes =
  (config: Config) =>
  (dir: string): void =>
    writeConfig(dir, typeof config === 'function' ? config(dir) : config);

/** `config`: of the file; default: the agents above. */
export async function openCore(
  options: Partial<GatewayOptions> = {},
  config: Config = { agents: { entries: AGENTS } },
  env: Readonly<Record<string, string>> = {},
): Promise<Core<GatewayProcess>> {
  const gateway = await openGatewayProcess({
    agentGraceMs: 500,
    ...options,
    env,
    prepare: writes(config),
  });
  return new Core(gateway);
}

/** The same in the process of the tests, for those that neither kill the gateway nor look at its process. */
export async function openCoreHere(
  options: Partial<GatewayOptions> = {},
  config: Config = { agents: { entries: AGENTS } },
): Promise<Core<Gateway>> {
  return new Core(await openGateway({ agentGraceMs: 500, ...options, prepare: writes(config) }));
}

interface Told {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

export function parseSse(text: string): Told[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data:'))
    .map((block) => {
      const field = (name: string): string =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2) ?? '';
      return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) };
    });
}

/** Not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Lets a waiting `shell` agent go on. */
export const openGate = (path: string): void => writeFileSync(path, '');
export const gateIn = ({ dir }: { readonly dir: string }, name: string): string => join(dir, name);
/** A command for the agent `shell` that says a word and waits for its gate. */
export const untilGate = (path: string, before: string, after: string): string =>
  `echo ${before}; while [ ! -e ${path} ]; do sleep 0.05; done; echo ${after}`;
