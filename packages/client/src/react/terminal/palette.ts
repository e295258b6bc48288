// The palette of a terminal, which its program may change: each change makes xterm write the style sheet of all colours
// anew, some 3 ms. Here they are as many as somebody can see. Knows no session.

import type { IDisposable, Terminal } from '@xterm/xterm';

/** From one change that is drawn to the next. The last one is always drawn. */
const CHANGE_MS = 100;
/** Sequences that set colours, or set them back. */
const COMMANDS = [4, 10, 11, 12, 104, 110, 111, 112];

interface Emitter {
  fire(colours: unknown): void;
}

/** Ten changes a second at most are drawn. What the colours are is known at once. Does nothing where xterm is built otherwise. */
export function boundColours(terminal: Terminal): IDisposable {
  let bound: Emitter | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const bind = (): void => {
    // There is none before the terminal is in a page.
    const { _core } = terminal as unknown as { _core?: { _themeService?: { _onChangeColors?: Emitter } } };
    const emitter = _core?._themeService?._onChangeColors;
    if (emitter?.fire === undefined || emitter === bound) return;
    bound = emitter;
    const fire = emitter.fire.bind(emitter);
    let last = Number.NEGATIVE_INFINITY;
    const draw = (colours: unknown): void => {
      timer = undefined;
      last = performance.now();
      fire(colours);
    };
    // The palette is one object and always holds the newest colours.
    emitter.fire = (colours) => {
      if (timer !== undefined) return;
      const restMs = last + CHANGE_MS - performance.now();
      if (restMs <= 0) draw(colours);
      else timer = setTimeout(() => draw(colours), restMs);
    };
  };
  const undo = COMMANDS.map((command) =>
    terminal.parser.registerOscHandler(command, () => {
      bind();
      return false;
    }),
  );
  return {
    dispose: () => {
      clearTimeout(timer);
      for (const each of undo) each.dispose();
      // Its own is on the prototype.
      if (bound !== undefined) Reflect.deleteProperty(bound, 'fire');
    },
  };
}
