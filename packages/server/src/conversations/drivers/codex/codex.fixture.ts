// A recorded talk with an agent, played to a link again: call by call, with another link from its state at any place.

import { RecordingOut } from '../acp/acp.fixture.ts';
import type { AgentSettings, ProcessDriver } from '../driver.ts';

export type Call =
  | readonly ['prompt' | 'inject', { readonly id: string; readonly text: string }]
  | readonly ['line', string]
  | readonly ['answer', string, string]
  | readonly ['interrupt'];

export interface Talk {
  readonly driver: ProcessDriver;
  readonly settings?: Partial<AgentSettings>;
  readonly memory?: string | null;
}

/** `cuts`: before which calls another link goes on. Gives what was done by each call, and the state after it. */
export function playCalls(
  { driver, settings = {}, memory = null }: Talk,
  calls: readonly Call[],
  cuts: ReadonlySet<number>,
) {
  const out = new RecordingOut();
  const agent: AgentSettings = { id: 'a', driver: driver.name, ...settings };
  const make = (state: object | undefined) => driver.link(agent, out, { state, memory, cwd: '/work' });
  let link = make(undefined);
  const states: object[] = [];
  for (const [i, call] of calls.entries()) {
    if (cuts.has(i)) {
      link = make(JSON.parse(JSON.stringify(link.state)) as object);
      link.resumed?.();
    }
    if (call[0] === 'line') link.line?.(call[1]);
    else if (call[0] === 'answer') link.answer(call[1], call[2]);
    else if (call[0] === 'interrupt') link.interrupt();
    else if (call[0] === 'inject') link.inject?.(call[1]);
    else link.prompt(call[1]);
    states.push(JSON.parse(JSON.stringify(link.state)) as object);
  }
  return { deeds: out.deeds, states, link };
}
