// An input line beside the terminal that is sent as a whole. A phone's keyboard composes, swipes and dictates well, but
// a terminal cannot take that letter by letter. The line keeps a history of sent lines.

import { type FormEvent, type KeyboardEvent, useRef, useState } from 'react';
import { HistoryIcon, SendIcon } from '../ui/icons.tsx';
import './type-bar.css';

interface TypeBarProps {
  /** Types the text, which may be empty, and Enter. */
  readonly onSend: (text: string) => void;
  /** True if Ctrl applies: the next letter goes to the program with Ctrl, and not into the line. */
  readonly ctrl: boolean;
  readonly onCtrlKey: (letter: string) => void;
}

const MAX_HISTORY = 50;
/**
 * Maximum characters per line. A longer text is a file: paste it into the terminal, or put it where the program can
 * read it.
 */
const MAX_CHARS = 20_000;
const MAX_ROWS = 4;

export function TypeBar({ onSend, ctrl, onCtrlKey }: TypeBarProps) {
  const [text, setText] = useState('');
  /** Sent lines, newest last. Stored only in the page's memory: there may be a password among them. */
  const sent = useRef<string[]>([]);
  /** Index in `sent`; undefined for the line that is being written. */
  const [at, setAt] = useState<number>();
  const draft = useRef('');

  const send = (event?: FormEvent): void => {
    event?.preventDefault();
    onSend(text);
    if (text !== '' && sent.current.at(-1) !== text) sent.current = [...sent.current, text].slice(-MAX_HISTORY);
    setText('');
    setAt(undefined);
    draft.current = '';
  };
  const recall = (isOlder: boolean): void => {
    const here = at ?? sent.current.length;
    const next = here + (isOlder ? -1 : 1);
    if (next < 0 || next > sent.current.length) return;
    if (at === undefined) draft.current = text;
    const isDraft = next === sent.current.length;
    setAt(isDraft ? undefined : next);
    setText(isDraft ? draft.current : (sent.current[next] ?? ''));
  };
  const changed = (value: string): void => {
    if (ctrl && value.length === text.length + 1 && value.startsWith(text)) onCtrlKey(value.slice(-1));
    else setText(value);
  };
  const pressed = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    // While a word is composed, these keys choose among its spellings. 229: browsers that signal this in no other way.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if ((event.key === 'ArrowUp' || event.key === 'ArrowDown') && !text.includes('\n')) {
      event.preventDefault();
      recall(event.key === 'ArrowUp');
    }
  };
  return (
    <form className="type-bar" onSubmit={send} data-testid="type-bar">
      <button
        type="button"
        className="button quiet square"
        aria-label="What was sent before"
        // The field keeps the focus: the phone's keyboard would fold away.
        onPointerDown={(event) => event.preventDefault()}
        onMouseDown={(event) => event.preventDefault()}
        onClick={() => recall(true)}
        data-testid="type-earlier"
      >
        <HistoryIcon />
      </button>
      <textarea
        value={text}
        rows={Math.min(MAX_ROWS, text.split('\n').length)}
        maxLength={MAX_CHARS}
        onChange={(event) => changed(event.target.value)}
        onKeyDown={pressed}
        placeholder="Type a line"
        aria-label="Line to type into the session"
        enterKeyHint="send"
        autoComplete="off"
        autoCapitalize="off"
        autoCorrect="off"
        spellCheck={false}
        data-testid="type-line"
      />
      <button
        type="submit"
        className="button primary square"
        aria-label={text === '' ? 'Press Enter' : 'Send'}
        onPointerDown={(event) => event.preventDefault()}
        onMouseDown={(event) => event.preventDefault()}
        data-testid="type-send"
      >
        <SendIcon />
      </button>
    </form>
  );
}
