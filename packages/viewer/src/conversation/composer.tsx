// The message field for an agent: it grows with the text, and offers what to do with the message during a run, send and
// stop.

import type { BinnacleError, SteerMode } from '@binnacle/protocol';
import { type KeyboardEvent, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { SendIcon, StopIcon } from '../ui/icons.tsx';
import { ErrorNotice } from '../ui/notices.tsx';
import { STEER_LABELS } from './format.ts';
import './composer.css';

export interface OutgoingMessage {
  readonly id: string;
  readonly text: string;
  readonly steer?: SteerMode;
}

interface ComposerProps {
  /** The conversation's key: each conversation has its own draft. */
  readonly conversation: string;
  readonly agent: string;
  readonly steer: readonly SteerMode[];
  readonly working: boolean;
  /** Resolves when the gateway has the message. */
  readonly onSend: (message: OutgoingMessage) => Promise<unknown>;
  /** Ends the current run; undefined without the right to do so. */
  readonly onStop: (() => Promise<unknown>) | undefined;
}

/** Returns whether Enter sends. With a keyboard it does; on a phone Enter is a new line, as everywhere there. */
const enterSends = (): boolean => window.matchMedia('(hover: hover), (pointer: fine)').matches;

// Maximum height: a higher field leaves no room to read.
const MAX_HEIGHT_PX = 220;

export function Composer({ conversation, agent, steer, working, onSend, onStop }: ComposerProps) {
  const [draft, setDraft] = useDraft(conversation);
  const [mode, setMode] = useState<SteerMode>('queue');
  const [sending, setSending] = useState(false);
  const [stopping, setStopping] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const chosen = steer.includes(mode) ? mode : 'queue';

  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight + 2, MAX_HEIGHT_PX)}px`;
  }, [draft.text]);
  useEffect(() => {
    if (enterSends()) field.current?.focus();
  }, []);

  const send = (): void => {
    if (draft.text.trim() === '' || sending) return;
    setSending(true);
    setError(undefined);
    onSend({ id: draft.id, text: draft.text, ...(working ? { steer: chosen } : {}) })
      .then(
        () => setDraft(''),
        // The text stays, with its id: a second try with the same id acts once, whatever became of the first.
        (cause: unknown) => setError(asFailure(cause)),
      )
      .finally(() => {
        setSending(false);
        field.current?.focus();
      });
  };
  const stop = (): void => {
    if (onStop === undefined) return;
    setStopping(true);
    setError(undefined);
    onStop()
      .catch((cause: unknown) => setError(asFailure(cause)))
      .finally(() => setStopping(false));
  };
  const pressed = (event: KeyboardEvent): void => {
    // While a word is being composed (Chinese, Japanese), Enter ends the word.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || !enterSends()) return;
    event.preventDefault();
    send();
  };

  return (
    <div className="composer">
      {error !== undefined && <ErrorNotice error={error} onClose={() => setError(undefined)} />}
      {working && steer.length > 1 && (
        <fieldset className="steer" aria-label="While it works" data-testid="steer">
          <legend>While it works</legend>
          {steer.map((one) => (
            <label key={one} title={STEER_LABELS[one].what} className={one === chosen ? 'chosen' : undefined}>
              <input
                type="radio"
                className="sr-only"
                name={`${id}-steer`}
                value={one}
                checked={one === chosen}
                onChange={() => setMode(one)}
                aria-describedby={`${id}-${one}`}
                data-testid={`steer-${one}`}
              />
              {STEER_LABELS[one].label}
              <span className="sr-only" id={`${id}-${one}`}>
                {STEER_LABELS[one].what}
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <div className="composer-row">
        <textarea
          ref={field}
          rows={1}
          value={draft.text}
          readOnly={sending}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={pressed}
          placeholder={`Message ${agent}…`}
          aria-label={`Message ${agent}`}
          enterKeyHint={enterSends() ? 'send' : 'enter'}
          data-testid="composer"
        />
        {working && onStop !== undefined && (
          <button
            type="button"
            className="button danger stop"
            onClick={stop}
            disabled={stopping}
            title="End this run; what was said so far is kept"
            data-testid="stop"
          >
            <StopIcon /> <span>{stopping ? 'Stopping…' : 'Stop'}</span>
          </button>
        )}
        <button
          type="button"
          className="button primary square send"
          onClick={send}
          disabled={sending || draft.text.trim() === ''}
          aria-label={sending ? 'Sending…' : 'Send'}
          title={enterSends() ? 'Send (Enter); Shift-Enter begins a new line' : 'Send'}
          data-testid="send"
        >
          <SendIcon />
        </button>
      </div>
    </div>
  );
}

interface Draft {
  readonly id: string;
  readonly text: string;
}

/** The draft of a conversation. It survives a switch of conversation and a reload, but not the tab. */
function useDraft(conversation: string): readonly [Draft, (text: string) => void] {
  const key = `binnacle.draft.${conversation}`;
  const [draft, setDraft] = useState<Draft>(() => storedDraft(key));
  const set = useCallback(
    (text: string) => {
      // A changed text is a new message with a new id.
      const next = { id: newId(), text };
      try {
        if (text === '') sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, JSON.stringify(next));
      } catch {
        // Storage may be forbidden or full: the draft lasts as long as the page.
      }
      setDraft(next);
    },
    [key],
  );
  return [draft, set];
}

function storedDraft(key: string): Draft {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null');
    if (typeof value === 'object' && value !== null && 'id' in value && 'text' in value) {
      if (typeof value.id === 'string' && typeof value.text === 'string') return { id: value.id, text: value.text };
    }
  } catch {
    // Storage may be forbidden, or contain foreign data: there is no draft then.
  }
  return { id: newId(), text: '' };
}

/** Generates an id. `randomUUID` exists only on https and localhost. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
