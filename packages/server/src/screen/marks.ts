// Finds in the output of a terminal what programs say of themselves: prompts, progress, notifications, titles, the bell.
// Knows no emulator, and keeps no more than the beginning of one sequence.

/** What is longer is no mark: titles and notifications are read by people. */
const MAX_MARK = 4096;
const MAX_TEXT = 200;

export type Mark =
  /** OSC 133: a prompt begins, input begins, a command runs, it ended. */
  | { readonly kind: 'prompt' | 'input' | 'command' }
  | { readonly kind: 'ended'; readonly exitCode: number | null }
  /** OSC 9;4: percent, null where nobody knows how much; `over` when it is taken away. */
  | { readonly kind: 'progress'; readonly state: 'set' | 'error' | 'paused' | 'over'; readonly percent: number | null }
  /** OSC 9, 777 and 99, in words that are safe to show. */
  | { readonly kind: 'notification'; readonly text: string }
  | { readonly kind: 'title'; readonly text: string }
  | { readonly kind: 'bell' };

const GROUND = 0;
const ESCAPE = 1;
const OSC = 2;
const OSC_ESCAPE = 3;
/** DCS, SOS, PM, APC: nothing of ours, until ST. */
const OTHER = 4;
const OTHER_ESCAPE = 5;

export class Marks {
  readonly #mark: number[] = [];
  #state = GROUND;
  #isTooLong = false;

  /** Any cut: what has begun is kept for the next call. */
  take(bytes: Uint8Array): Mark[] {
    const found: Mark[] = [];
    for (const byte of bytes) this.#step(byte, found);
    return found;
  }

  #step(byte: number, found: Mark[]): void {
    switch (this.#state) {
      case GROUND:
        if (byte === 0x1b) this.#state = ESCAPE;
        else if (byte === 0x07) found.push({ kind: 'bell' });
        return;
      case ESCAPE:
        this.#introduced(byte);
        return;
      case OSC:
        if (byte === 0x07) this.#end(found);
        else if (byte === 0x1b) this.#state = OSC_ESCAPE;
        else if (byte === 0x18 || byte === 0x1a) this.#drop(GROUND);
        else if (this.#mark.length < MAX_MARK) this.#mark.push(byte);
        else this.#isTooLong = true;
        return;
      case OSC_ESCAPE:
        if (byte === 0x5c) this.#end(found);
        else {
          this.#drop(ESCAPE);
          this.#introduced(byte);
        }
        return;
      case OTHER:
        if (byte === 0x1b) this.#state = OTHER_ESCAPE;
        else if (byte === 0x18 || byte === 0x1a) this.#state = GROUND;
        return;
      default:
        if (byte === 0x5c) this.#state = GROUND;
        else this.#introduced(byte);
    }
  }

  #introduced(byte: number): void {
    if (byte === 0x5d) this.#drop(OSC);
    else if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) this.#state = OTHER;
    else if (byte !== 0x1b) this.#state = GROUND;
  }

  #drop(state: number): void {
    this.#mark.length = 0;
    this.#isTooLong = false;
    this.#state = state;
  }

  #end(found: Mark[]): void {
    const mark = this.#isTooLong ? undefined : markOf(Buffer.from(this.#mark).toString());
    this.#drop(GROUND);
    if (mark !== undefined) found.push(mark);
  }
}

function markOf(osc: string): Mark | undefined {
  const [, code, rest = ''] = /^(\d{1,4})(?:;([\s\S]*))?$/.exec(osc) ?? [];
  switch (code) {
    case '0':
    case '2':
      return { kind: 'title', text: shown(rest) };
    case '9':
      return /^4(;|$)/.test(rest) ? progressOf(rest) : notification(rest);
    case '777': {
      const [verb, title = '', ...body] = rest.split(';');
      return verb === 'notify'
        ? notification([title, body.join(';')].filter((part) => part !== '').join(': '))
        : undefined;
    }
    case '99': {
      // kitty's: what is about it, then the text. What it asks of us, closes or sends in base64 is not shown.
      const [, about = '', text = ''] = /^([^;]*);([\s\S]*)$/.exec(rest) ?? [];
      return /(^|:)(e=1|p=(?!title|body))/.test(about) ? undefined : notification(text);
    }
    case '133':
      return promptOf(rest);
    default:
      return undefined;
  }
}

function notification(text: string): Mark | undefined {
  const words = shown(text);
  return words === '' ? undefined : { kind: 'notification', text: words };
}

function progressOf(rest: string): Mark | undefined {
  const [, state, percent] = /^4;([0-4])(?:;(\d{1,3}))?;?$/.exec(rest) ?? [];
  if (state === undefined) return undefined;
  const names = ['over', 'set', 'error', 'set', 'paused'] as const;
  const isKnown = percent !== undefined && state !== '0' && state !== '3';
  return {
    kind: 'progress',
    state: names[Number(state)] ?? 'over',
    percent: isKnown ? Math.min(100, Number(percent)) : null,
  };
}

function promptOf(rest: string): Mark | undefined {
  const [what, code] = rest.split(';');
  if (what === 'A') return { kind: 'prompt' };
  if (what === 'B') return { kind: 'input' };
  if (what === 'C') return { kind: 'command' };
  if (what !== 'D') return undefined;
  return { kind: 'ended', exitCode: /^\d{1,3}$/.test(code ?? '') ? Number(code) : null };
}

/** What a hostile program says is shown in lists: one line, short, without what turns or hides text. */
function shown(text: string): string {
  return [
    ...text
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]+/gu, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  ]
    .slice(0, MAX_TEXT)
    .join('');
}
