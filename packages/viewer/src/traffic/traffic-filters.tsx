// The filter form of the page of traffic. Typed text applies after a pause, with Enter, or when the field loses the
// focus.

import type { SessionInfo } from '@binnacle/protocol';
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { choices } from '../model/session-facets.ts';
import { filterParams, isExit, isFilterEmpty, parseTrafficFilter, type TrafficFilter } from '../model/traffic-query.ts';
import { Pick } from '../ui/pick.tsx';
import './traffic-filters.css';

interface TrafficFiltersProps {
  readonly filter: TrafficFilter;
  readonly sessions: readonly SessionInfo[];
  readonly onFilter: (filter: TrafficFilter) => void;
}

const TIMES: readonly (readonly [string, string])[] = [
  ['', 'any time'],
  ['1', 'the last hour'],
  ['24', 'the last day'],
  ['168', 'the last week'],
];

/** Debounce for the text filters. */
const PAUSE_MS = 300;

export function TrafficFilters({ filter, sessions, onFilter }: TrafficFiltersProps) {
  const [open, setOpen] = useState(() => window.matchMedia('(min-width: 720px)').matches || !isFilterEmpty(filter));
  /** Counter that empties the fields, including text that does not apply yet. */
  const [cleared, setCleared] = useState(0);
  const { sources, labels } = choices(sessions);
  const params = filterParams(filter);
  const change = (name: string, value: string): void => {
    const next = new URLSearchParams();
    for (const [key, text] of Object.entries({ ...params, [name]: value })) if (text) next.set(key, text);
    onFilter(parseTrafficFilter(next));
  };
  return (
    <search aria-label="Filters of the events">
      <details className="asks" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary data-testid="traffic-filters">
          Filters{isFilterEmpty(filter) ? '' : `, ${Object.keys(filter).length} in force`}
        </summary>
        <form
          key={cleared}
          className="asks-fields"
          onSubmit={(event) => {
            event.preventDefault();
            // Losing the focus applies the text of the field.
            if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
          }}
        >
          <Text name="source" label="Source" value={params.source ?? ''} among={sources} onSet={change} />
          <Text
            name="label"
            label="Label"
            value={params.label ?? ''}
            among={labels}
            onSet={change}
            hint="key or key=value"
          />
          <Text name="command" label="Command contains" value={params.command ?? ''} onSet={change} />
          <Text name="session" label="Session" value={params.session ?? ''} onSet={change} hint="its id" />
          <Text
            name="exit"
            label="Exit code"
            value={params.exit ?? ''}
            onSet={change}
            mode="numeric"
            wrong={(text) => (isExit(text) ? undefined : 'An exit code is a number.')}
          />
          <Pick
            label="Received"
            value={params.hours ?? ''}
            of={TIMES}
            onPick={(hours) => change('hours', hours)}
            test="ask-hours"
          />
          <Check isOn={filter.final === true} onSet={(on) => change('final', on ? '1' : '')}>
            Finished only
          </Check>
          {!isFilterEmpty(filter) && (
            <button
              type="button"
              className="button quiet"
              // Without this, the field would lose the focus and apply first, which could move the button away from
              // under the pointer.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => {
                setCleared((times) => times + 1);
                onFilter({});
              }}
              data-testid="ask-clear"
            >
              Show all events
            </button>
          )}
          <button type="submit" className="sr-only">
            Apply
          </button>
        </form>
      </details>
    </search>
  );
}

interface TextProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly among?: readonly string[];
  readonly hint?: string;
  readonly mode?: 'numeric';
  /** Returns why a text is invalid. */
  readonly wrong?: (text: string) => string | undefined;
  readonly onSet: (name: string, value: string) => void;
}

function Text({ name, label, value, among = [], hint, mode, wrong, onSet }: TextProps) {
  const id = useId();
  const [text, setText] = useState(value);
  const typed = text.trim();
  const why = typed === '' ? undefined : wrong?.(typed);
  const input = why === undefined ? typed : '';
  /** Last applied value: a different value came from outside, and replaces the typed text. */
  const applied = useRef(value);
  useEffect(() => {
    if (value !== applied.current) setText(value);
    applied.current = value;
  }, [value]);
  const apply = (): void => {
    if (input === applied.current) return;
    applied.current = input;
    onSet(name, input);
  };
  // The current callback when the pause is over: other filters may have changed until then.
  const latest = useRef(apply);
  latest.current = apply;
  // biome-ignore lint/correctness/useExhaustiveDependencies: every key begins the pause anew.
  useEffect(() => {
    const timer = setTimeout(() => latest.current(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div className="pick">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        value={text}
        list={`${id}-among`}
        inputMode={mode}
        placeholder={hint ?? 'any'}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onBlur={apply}
        aria-invalid={why !== undefined}
        aria-describedby={why === undefined ? undefined : `${id}-wrong`}
        data-testid={`ask-${name}`}
      />
      {why !== undefined && (
        <p className="pick-wrong" id={`${id}-wrong`} role="alert" data-testid={`wrong-${name}`}>
          {why}
        </p>
      )}
      <datalist id={`${id}-among`}>
        {among.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </div>
  );
}

interface CheckProps {
  readonly isOn: boolean;
  readonly onSet: (on: boolean) => void;
  readonly children: ReactNode;
}

function Check({ isOn, onSet, children }: CheckProps) {
  return (
    <label className="check">
      <input type="checkbox" checked={isOn} onChange={(event) => onSet(event.target.checked)} data-testid="ask-final" />
      {children}
    </label>
  );
}
