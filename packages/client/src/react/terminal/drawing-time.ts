// How long one session may keep a page from hearing keys and drawing: xterm looks at the clock between pieces of 16 KiB,
// and a piece may be 8000 sequences that take a third of a millisecond each. Knows no session.

import type { IDisposable, Terminal } from '@xterm/xterm';

/** Longer than the turn of 12 ms that xterm takes by itself, so that what costs little never waits twice; two frames. */
const TURN_MS = 32;

/** Each takes as long as the screen has cells, or its history has marks: reset, reverse index. */
const ESCAPES = ['c', 'M'];
/** Erase the screen, the other screen and back. */
const CONTROLS = ['J', '?J', '?h', '?l'];
/** Colours, links, marks of commands. */
const COMMANDS = [4, 8, 10, 11, 12, 104, 110, 111, 112, 133];

/** Counts what costly sequences have taken of the turn of the page that is under way, by the clock. */
export class DrawingTurns {
  #endsAt: number | undefined;

  /** To be returned by a handler: goes on at once, or in another turn. Either way xterm does what the sequence says. */
  pass(): false | Promise<false> {
    const now = performance.now();
    if (this.#endsAt === undefined) {
      this.#endsAt = now + TURN_MS;
      // Runs when this turn is over, however it ends.
      setTimeout(() => this.#end());
      return false;
    }
    if (now < this.#endsAt) return false;
    return new Promise((resolve) => {
      setTimeout(() => {
        this.#end();
        resolve(false);
      });
    });
  }

  #end(): void {
    this.#endsAt = undefined;
  }
}

/** Lets the page have its turns among many sequences that cost more than their bytes. */
export function boundTurns({ parser }: Pick<Terminal, 'parser'>, turns: DrawingTurns): IDisposable {
  const pass = (): false | Promise<false> => turns.pass();
  const undo = [
    ...ESCAPES.map((final) => parser.registerEscHandler({ final }, pass)),
    // DECALN.
    parser.registerEscHandler({ intermediates: '#', final: '8' }, pass),
    ...CONTROLS.map((control) => {
      const final = control.slice(-1);
      const prefix = control.slice(0, -1);
      return parser.registerCsiHandler({ ...(prefix === '' ? {} : { prefix }), final }, pass);
    }),
    ...COMMANDS.map((command) => parser.registerOscHandler(command, pass)),
  ];
  return {
    dispose: () => {
      for (const each of undo) each.dispose();
    },
  };
}
