// Agents whose driver is a plugin. A turn is one call of the plugin's process, which reports the agent's output by
// calls of its own.

import { randomUUID } from 'node:crypto';
import { BinnacleError, defined, type ToolCall } from '@binnacle/protocol';
import { z } from 'zod';
import { unlessAborted } from '../../base/abort.ts';
import type { AgentSettings, DriverOut, LocalDriver, LocalTurn } from '../../conversations/drivers/driver.ts';
import { argumentOf } from '../grant/arguments.ts';
import { DRIVER_NAME } from '../grant/permissions.ts';
import { parsed } from '../powers/parse.ts';
import type { PluginCaller, PowersOf } from '../powers/powers.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

/** Maximum time of a turn. A run has its own time limit of at most a day. */
const TURN_MS = 25 * 3600_000;
const ABORT_MS = 5000;
/** Maximum bytes, as JSON, of a turn's parameters: a frame has 1 MiB. */
const MAX_TURN_BYTES = 1000 * 1024;
const MAX_EFFECTS = 100;

const Effect = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('delta'), text: z.string(), stream: z.enum(['said', 'thought']) }),
  z.strictObject({
    kind: z.literal('tool'),
    call: z.strictObject({
      id: z.string().min(1).max(200),
      title: z.string().max(500),
      status: z.enum(['running', 'done', 'failed']),
      output: z.string().optional(),
    }),
  }),
]);
const TurnOutput = z.strictObject({
  driver: z.string().regex(DRIVER_NAME),
  turn: z.uuid(),
  // The count is checked before the items.
  effects: z.array(z.unknown()).max(MAX_EFFECTS).pipe(z.array(Effect)),
});
const Answer = z.string().nullish();

interface RunningTurn {
  readonly plugin: string;
  readonly driver: string;
  readonly out: DriverOut;
}

export class AgentDrivers {
  readonly #offers: Offers;
  /** Turns under way by an id of the gateway, because ids of runs are unique only within a conversation. */
  readonly #turns = new Map<string, RunningTurn>();
  #lateEffects = 0;

  constructor(offers: Offers) {
    this.#offers = offers;
  }

  /** Number of effects that arrived after the end of a turn. */
  get lateEffects(): number {
    return this.#lateEffects;
  }

  /**
   * Returns the driver `<plugin>/<driver>`. Whether it exists is checked when a turn begins, because plugins come and
   * go.
   */
  driverOf(name: string): LocalDriver {
    return {
      name,
      kind: 'local',
      steer: ['queue', 'interrupt'],
      approvals: false,
      run: (agent, turn, out, signal) => this.#run(name, agent, turn, out, signal),
    };
  }

  get powers(): PowersOf<'turn'> {
    return { turn: (params, caller) => this.#takeOutput(params, caller) };
  }

  async #run(name: string, agent: AgentSettings, turn: LocalTurn, out: DriverOut, signal: AbortSignal): Promise<void> {
    const offered = this.#find(name);
    const id = randomUUID();
    const { plugin, offer } = offered;
    this.#turns.set(id, { plugin, driver: offer.name, out });
    const abort = (): void => {
      // The turn is over at once for the gateway, whatever the plugin does.
      this.#turns.delete(id);
      offered.invokeOther(`driver-abort:${offer.name}`, { turn: id }, ABORT_MS).catch(() => undefined);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      const answer = Answer.safeParse(await unlessAborted(offered.invoke(paramsOf(id, agent, turn), TURN_MS), signal));
      if (!answer.success) throw noText(name, offered);
      const text = answer.data ?? undefined;
      out.ended({ kind: 'done', ...defined({ text }) });
    } finally {
      signal.removeEventListener('abort', abort);
      this.#turns.delete(id);
    }
  }

  #find(name: string): OfferInForce<OfferOf<'driver'>> {
    const [plugin, driver] = name.split('/', 2);
    const found = this.#offers.inForce('driver').find((one) => one.plugin === plugin && one.offer.name === driver);
    if (found !== undefined) return found;
    throw new BinnacleError('unknown_driver', {
      message: `No running plugin offers the driver "${name.slice(0, 100)}", or it is not granted that.`,
      details: { driver: name },
    });
  }

  /**
   * Takes the output of a turn. Throws `bad_request`, `permission_denied`; `run_not_found` for a turn that is over, or
   * of another plugin.
   */
  #takeOutput(params: unknown, { plugin, gate }: PluginCaller): null {
    gate.demand('agentDrivers', { name: argumentOf(params, 'driver') });
    const { driver, turn, effects } = parsed(TurnOutput, params, 'turn');
    gate.allow('agentDrivers', { name: driver });
    const running = this.#turns.get(turn);
    if (running === undefined || running.plugin !== plugin || running.driver !== driver) {
      this.#lateEffects += effects.length;
      throw new BinnacleError('run_not_found', { message: 'That turn is over.' });
    }
    const { out } = running;
    for (const effect of effects) {
      if (effect.kind === 'delta') out.delta(effect.text, effect.stream);
      else out.tool(callOf(effect.call));
    }
    return null;
  }
}

function callOf({ output, ...call }: Extract<z.output<typeof Effect>, { kind: 'tool' }>['call']): ToolCall {
  return { ...call, kind: 'other', ...defined({ output }) };
}

function paramsOf(id: string, { id: agent, model, instructions }: AgentSettings, turn: LocalTurn): object {
  const whole = {
    turn: id,
    text: turn.text,
    by: turn.by.name,
    agent: { id: agent, ...defined({ model, instructions }) },
  };
  let room = MAX_TURN_BYTES - jsonBytes(whole);
  // The newest messages of the history matter most.
  const from = turn.history.findLastIndex((message) => {
    room -= jsonBytes(message) + 1;
    return room < 0;
  });
  return { ...whole, history: turn.history.slice(from + 1) };
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

function noText(name: string, { plugin, note }: OfferInForce<OfferOf<'driver'>>): BinnacleError {
  const message = `The answer of the driver "${name}" is not a text.`;
  note(message);
  return new BinnacleError('plugin_failed', { message, details: { plugin } });
}
