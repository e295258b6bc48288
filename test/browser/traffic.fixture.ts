// What comes from elsewhere, for tests of the page: events over HTTP as an emitter sends them. Knows no page.

import type { EmitAnswer, EmitBatch, TrafficEvent } from '@binnacle/protocol';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';

/** One program elsewhere: numbers its events, and sends again what a gateway that was down did not answer. */
export class Emitter {
  readonly sessionId: string;
  private readonly gateway: GatewayAccess;
  private readonly rest: Partial<TrafficEvent>;
  private seq: number;

  /** `rest` goes with every event. */
  constructor(gateway: GatewayAccess, sessionId: string, rest: Partial<TrafficEvent> = {}) {
    this.gateway = gateway;
    this.sessionId = sessionId;
    this.rest = rest;
    this.seq = 0;
  }

  /** Resolves with our id of the session when all are stored. */
  async emit(...events: readonly Partial<TrafficEvent>[]): Promise<string> {
    const batch: EmitBatch = {
      producer: { id: `emitter-of-${this.sessionId}`, epoch: 0 },
      events: events.map((event) => {
        const seq = this.seq;
        this.seq += 1;
        return { ...this.rest, ...event, session_id: this.sessionId, seq };
      }),
    };
    let answer: EmitAnswer | undefined;
    await until('the gateway answers the emitter', async () => {
      answer = await post(this.gateway, batch);
      return answer !== undefined;
    });
    const last = answer?.results.at(-1);
    if (last === undefined || last.status === 'refused')
      throw new Error(`Refused: ${JSON.stringify(answer?.results.find(({ status }) => status === 'refused'))}`);
    return last.session;
  }
}

async function post(gateway: GatewayAccess, batch: EmitBatch): Promise<EmitAnswer | undefined> {
  try {
    const headers = { 'content-type': 'application/json' };
    const response = await gateway.fetch('/v1/pty-traffic/emit', {
      method: 'POST',
      headers,
      body: JSON.stringify(batch),
    });
    if (response.status === 200 || response.status === 207) return (await response.json()) as EmitAnswer;
    if (response.status >= 500) return undefined;
    throw new Error(`The emitter was answered ${response.status}: ${await response.text()}`);
  } catch (error) {
    // Nobody listens: the gateway is just being killed or started.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
