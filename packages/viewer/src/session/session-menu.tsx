// The menu of rare actions for a session; on a phone, all actions that do not fit into the header.

import { Fragment, useId, useRef } from 'react';
import { addressOf } from '../model/route.ts';
import { MoreIcon } from '../ui/icons.tsx';
import type { SessionCommand } from './session-commands.ts';
import './session-menu.css';

interface SessionMenuProps {
  readonly commands: readonly SessionCommand[];
  /** Result of the last action, for screen readers. */
  readonly status: string;
}

const GROUPS = ['view', 'copy', 'runs', 'streams', 'away', 'end'] as const;

export function SessionMenu({ commands, status }: SessionMenuProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const groups = GROUPS.map((group) => commands.filter((command) => command.group === group));
  return (
    <>
      <button
        type="button"
        className="button quiet square"
        aria-label="More"
        title="More"
        popoverTarget={id}
        data-testid="session-menu"
      >
        <MoreIcon />
      </button>
      <div ref={list} id={id} popover="auto" className="menu" data-testid="session-menu-list">
        {groups
          .filter(({ length }) => length > 0)
          .map((group, at) => (
            <Fragment key={group[0]?.group}>
              {at > 0 && <hr />}
              {group[0]?.choice === undefined ? (
                group.map((command) => (
                  <Item key={command.key} command={command} onChosen={() => list.current?.hidePopover()} />
                ))
              ) : (
                <Choices name={id} commands={group} />
              )}
            </Fragment>
          ))}
      </div>
      <span className="sr-only" role="status" data-testid="menu-status">
        {status}
      </span>
    </>
  );
}

function Item({ command, onChosen }: { readonly command: SessionCommand; readonly onChosen: () => void }) {
  const { act, name, keys } = command;
  const test = `menu-${command.key}`;
  if ('to' in act) {
    return (
      <a className="menu-item" href={addressOf(act.to)} data-testid={test}>
        {name}
      </a>
    );
  }
  return (
    <button
      type="button"
      className="menu-item"
      data-testid={test}
      onClick={() => {
        onChosen();
        act.run();
      }}
    >
      {name}
      {keys !== undefined && <kbd>{keys}</kbd>}
    </button>
  );
}

/** Renders alternatives, one of which is selected; the menu stays open for another choice. */
function Choices({ name, commands }: { readonly name: string; readonly commands: readonly SessionCommand[] }) {
  return (
    <fieldset className="menu-choice" data-testid="streams">
      <legend>Show</legend>
      {commands.map(({ key, choice, act }) => (
        <label key={key}>
          <input
            type="radio"
            name={name}
            checked={choice?.isOn === true}
            onChange={() => 'run' in act && act.run()}
            data-testid={key}
          />
          {choice?.label}
        </label>
      ))}
    </fieldset>
  );
}
