// The agents of the config file, each a combination of settings and driver.

import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { type AgentInfo, defined, type Visibility } from '@binnacle/protocol';
import type { AgentConfig } from '../../config/schema.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { AgentSettings, Driver, LocalDriver, LocalTurn, Prompt, TurnTools } from '../drivers/driver.ts';
import type { AgentEvents, AgentKind, AgentMade } from './agent.ts';
import { type AgentGuard, NO_GUARD } from './agent-hooks.ts';
import { AgentProcess } from './agent-process.ts';
import { driverOf } from './drivers.ts';
import { LocalAgent } from './local-agent.ts';
import { SILENCE_TIMES, type SilenceTimes } from './silence.ts';
import { Terminals } from './terminals.ts';

export interface AgentsParts {
  /** Returns the agents of the current config file. */
  configs(): ReadonlyMap<string, AgentConfig>;
  /** Returns the agent for messages without a binding; undefined if the config names none. */
  defaultAgent(): string | undefined;
  readonly sessions: Sessions;
  /** Delay, ms, between the request to end a turn and the end of the process. */
  readonly graceMs: number;
  /** Time, ms, after which an idle process is ended. */
  readonly idleMs: number;
  /** Times of an agent's silence. Default: `SILENCE_TIMES`. */
  readonly silenceTimes?: Partial<SilenceTimes>;
  contextOf(conversation: string, prompt: Prompt): Pick<LocalTurn, 'history' | 'by'>;
  /** Returns the tools that plugins offer to an agent inside the gateway. Default: none. */
  toolsOf?(agent: string): TurnTools;
  /** Default: a guard that allows everything. */
  readonly guard?: AgentGuard;
  /**
   * Returns a driver whose name has a slash. Whether a plugin provides the driver is known only when it runs. Default:
   * no such drivers.
   */
  foreignDriver?(name: string): LocalDriver;
}

const DEFAULT_TIMEOUT_MS = 24 * 3600_000;
const DEFAULT_APPROVAL_MS = 5 * 60_000;
/** Default limit of a silence: longer than a model thinks, and shorter than a person waits. */
const DEFAULT_SILENCE_MS = 30 * 60_000;

export class Agents {
  readonly #parts: AgentsParts;

  constructor(parts: AgentsParts) {
    this.#parts = parts;
  }

  get defaultAgent(): string | undefined {
    return this.#parts.defaultAgent();
  }

  list(): AgentInfo[] {
    const isDefault = this.#parts.defaultAgent();
    return [...this.#parts.configs().values()].map(({ id, driver }) => {
      const { name, steer, approvals } = this.#driverOf(driver);
      return { id, driver: name, isDefault: id === isDefault, steer, approvals };
    });
  }

  /**
   * Ends agents' processes that no conversation continues with: the agent was replaced, or the conversation deleted.
   */
  async endOthers(retained: ReadonlySet<string>): Promise<void> {
    const { sessions } = this.#parts;
    const others = sessions.listHidden().filter((id) => !retained.has(id));
    // The next start finds a process that cannot be ended now.
    await Promise.allSettled(others.map((id) => sessions.delete(id)));
  }

  visibilityOf(id: string): Visibility {
    return this.#parts.configs().get(id)?.visibility ?? { kind: 'private' };
  }

  of(id: string): AgentKind | undefined {
    const config = this.#parts.configs().get(id);
    if (config === undefined) return undefined;
    const driver = this.#driverOf(config.driver);
    const { timeoutMs, approvalTimeoutMs, silenceMs, visibility: _, ...settings } = config;
    return {
      driver,
      version: createHash('sha256').update(JSON.stringify(settings)).digest('base64url'),
      timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
      approvalMs: approvalTimeoutMs ?? DEFAULT_APPROVAL_MS,
      silence: { ...SILENCE_TIMES, ...this.#parts.silenceTimes, limitMs: silenceMs ?? DEFAULT_SILENCE_MS },
      make: (conversation, events, memory) => this.#make(settings, conversation, events, memory),
    };
  }

  #driverOf(name: string): Driver {
    return (name.includes('/') ? this.#parts.foreignDriver?.(name) : undefined) ?? driverOf(name);
  }

  #make(settings: AgentSettings, conversation: string, events: AgentEvents, memory: string | null): AgentMade {
    const { sessions, graceMs, idleMs, guard = NO_GUARD } = this.#parts;
    const driver = this.#driverOf(settings.driver);
    if (driver.kind === 'local') {
      const tools = this.#parts.toolsOf?.(settings.id);
      const contextOf = (prompt: Prompt) => this.#parts.contextOf(conversation, prompt);
      return { agent: new LocalAgent({ driver, settings, events, ...defined({ tools }), contextOf }) };
    }
    const agent = new AgentProcess(
      {
        driver,
        settings,
        sessions,
        conversation,
        events,
        terminals: ({ process, answer }) =>
          new Terminals({
            host: sessions,
            conversation,
            process,
            answer,
            before: ({ command, args, cwd }) => {
              const input = { command, args, ...defined({ cwd }) };
              return guard.beforeToolCall({ tool: 'terminal', input, caller: settings.id, via: 'terminal' });
            },
          }),
        cwd: settings.cwd ?? homedir(),
        graceMs,
        idleMs,
      },
      memory,
    );
    return {
      agent,
      resume: (known, marks, isInTurn) => {
        try {
          agent.resume(known, marks, isInTurn);
          return true;
        } catch {
          return false; // The session is gone: its runner died, or a user deleted the session.
        }
      },
    };
  }
}
