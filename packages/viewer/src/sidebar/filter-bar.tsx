// The filter form above the list of sessions: words, and four choices that unfold.

import { useId, useState } from 'react';
import { oneLine } from '../model/format.ts';
import { IconButton } from '../ui/icon-button.tsx';
import { FilterIcon } from '../ui/icons.tsx';
import { Pick } from '../ui/pick.tsx';
import { isFiltering, NO_FILTER, narrowings, type SessionFilter } from './filter.ts';
import './filter-bar.css';

interface SessionFilterBarProps {
  readonly filter: SessionFilter;
  readonly sources: readonly string[];
  readonly labels: readonly string[];
  readonly onChange: (filter: SessionFilter) => void;
}

export function SessionFilterBar({ filter, sources, labels, onChange }: SessionFilterBarProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const change = (part: Partial<SessionFilter>): void => onChange({ ...filter, ...part });
  const count = narrowings(filter);
  return (
    <search className="filter" aria-label="Filter of the list">
      <div className="filter-row">
        <input
          type="search"
          value={filter.text}
          placeholder="Filter the list"
          aria-label="Words in the name, the title or the command"
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => change({ text: event.target.value })}
          data-testid="filter-text"
        />
        <IconButton
          className={count > 0 ? 'filter-on' : ''}
          label={count > 0 ? `More filters, ${count} in force` : 'More filters'}
          aria-expanded={open}
          aria-controls={`${id}-more`}
          onClick={() => setOpen(!open)}
          test="filter-more"
        >
          <FilterIcon />
          {count > 0 && <span className="filter-count">{count}</span>}
        </IconButton>
      </div>
      <div className="filter-more" id={`${id}-more`} hidden={!open}>
        <Pick
          label="Where"
          value={filter.where}
          of={[
            ['all', 'all'],
            ['here', 'here'],
            ['elsewhere', 'elsewhere'],
          ]}
          onPick={(where) => change({ where: where as SessionFilter['where'] })}
          test="filter-where"
        />
        <Pick
          label="State"
          value={filter.state}
          of={[
            ['all', 'all'],
            ['waiting', 'waiting for somebody'],
            ['working', 'working'],
            ['idle', 'idle'],
            ['running', 'not ended'],
            ['ended', 'ended'],
          ]}
          onPick={(state) => change({ state: state as SessionFilter['state'] })}
          test="filter-state"
        />
        <Pick
          label="Source"
          value={filter.source}
          of={[['', 'any'], ...withChosen(sources, filter.source)]}
          onPick={(source) => change({ source })}
          test="filter-source"
        />
        <Pick
          label="Label"
          value={filter.label}
          of={[['', 'any'], ...withChosen(labels, filter.label)]}
          onPick={(label) => change({ label })}
          test="filter-label"
        />
        {isFiltering(filter) && (
          <button type="button" className="button quiet" onClick={() => onChange(NO_FILTER)} data-testid="filter-clear">
            Show all
          </button>
        )}
      </div>
    </search>
  );
}

/** Adds the chosen value to a list, so that it stays when the last session with that value disappears. */
const withChosen = (values: readonly string[], chosen: string): readonly (readonly [string, string])[] =>
  (chosen === '' || values.includes(chosen) ? values : [chosen, ...values]).map((value) => [value, oneLine(value, 60)]);
