// Runs the state machine of reconnect.ts: holds its state and its timer, and handles one event at a time.

import type { Settings } from './options.ts';
import { FIRST, type Link, type LinkEvent, step } from './reconnect.ts';

/** Transport of a reconnector: a WebSocket, or a request whose answer streams. */
export interface Reconnectable {
  /** Opens it. Later events about it carry `generation`. */
  open(generation: number): void;
  /** Lets go of it. */
  drop(): void;
  /** Called behind the actions of an event that changed the state. */
  changed?(state: Link, before: Link): void;
}

export class Reconnector {
  readonly #settings: Settings;
  readonly #target: Reconnectable;
  /** Events that came up while another was carried out; they wait their turn. */
  readonly #due: LinkEvent[] = [];
  #state: Link = FIRST;
  #isApplying = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: Settings, target: Reconnectable) {
    this.#settings = settings;
    this.#target = target;
  }

  get state(): Link {
    return this.#state;
  }

  /** Handles one event at a time: callbacks must not run in the middle of a transition. */
  apply(event: LinkEvent): void {
    this.#due.push(event);
    if (this.#isApplying) return;
    this.#isApplying = true;
    try {
      for (let next = this.#due.shift(); next !== undefined; next = this.#due.shift()) this.#carryOut(next);
    } finally {
      this.#isApplying = false;
    }
  }

  #carryOut(event: LinkEvent): void {
    const { now, random, backoff } = this.#settings;
    const before = this.#state;
    const { state, actions } = step(before, event, now(), random(), backoff);
    this.#state = state;
    for (const action of actions) {
      switch (action.kind) {
        case 'open':
          this.#target.open(action.generation);
          break;
        case 'wait': {
          const { generation, ms } = action;
          this.#timer = setTimeout(() => this.apply({ kind: 'timer', generation }), ms);
          break;
        }
        case 'cancel':
          clearTimeout(this.#timer);
          break;
        case 'drop':
          this.#target.drop();
          break;
      }
    }
    if (before !== state) this.#target.changed?.(state, before);
  }
}
