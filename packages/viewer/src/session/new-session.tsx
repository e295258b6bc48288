// The form for a session with more options than a plain shell.

import type { Binnacle } from '@binnacle/client';
import { BinnacleError, type CreateSession, type SessionMode, type TerminalProblem } from '@binnacle/protocol';
import { type FormEvent, useEffect, useId, useState } from 'react';
import { useRequest } from '../state/use-request.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';

interface NewSessionProps {
  readonly client: Binnacle;
  readonly onCreate: (options: CreateSession) => Promise<void>;
  readonly onClose: () => void;
}

/** Returns why no terminal can be opened; undefined if one can, and until the gateway has answered. */
function useTerminalProblem(client: Binnacle): TerminalProblem | undefined {
  const [problem, setProblem] = useState<TerminalProblem>();
  useEffect(() => {
    client.info().then(
      ({ terminals }) => setProblem(terminals.available ? undefined : terminals),
      // Failures are ignored: an older gateway reports the problem only when a session starts.
      () => undefined,
    );
  }, [client]);
  return problem;
}

export function NewSession({ client, onCreate, onClose }: NewSessionProps) {
  const [command, setCommand] = useState('');
  const [name, setName] = useState('');
  const [cwd, setCwd] = useState('');
  const [labels, setLabels] = useState('');
  const [chosenMode, setMode] = useState<SessionMode>('pty');
  const terminalProblem = useTerminalProblem(client);
  const mode = terminalProblem === undefined ? chosenMode : 'pipe';
  const { busy, error, run } = useRequest();
  const id = useId();

  const begin = async (): Promise<void> =>
    await onCreate({
      mode,
      ...(command.trim() === '' ? {} : { command }),
      ...(name.trim() === '' ? {} : { name: name.trim() }),
      ...(cwd.trim() === '' ? {} : { cwd: cwd.trim() }),
      ...(labels.trim() === '' ? {} : { labels: labelsFrom(labels) }),
    });

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    run(begin(), onClose);
  };

  const field = (key: string, label: string, value: string, set: (value: string) => void, placeholder: string) => (
    <div>
      <label htmlFor={`${id}-${key}`}>{label}</label>
      <input
        id={`${id}-${key}`}
        data-testid={`new-${key}`}
        value={value}
        onChange={(event) => set(event.target.value)}
        placeholder={placeholder}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
      />
    </div>
  );

  return (
    <Dialog label="Run a command" onClose={onClose}>
      <form onSubmit={submit}>
        <h2>Run a command</h2>
        <div className="dialog-fields">
          {field('command', 'Command', command, setCommand, 'Leave empty for your shell')}
          {field('name', 'Name', name, setName, 'Optional')}
          {field('cwd', 'Directory', cwd, setCwd, 'Leave empty for your home')}
          {field('labels', 'Labels (key=value, …)', labels, setLabels, 'Optional')}
          <div>
            <label htmlFor={`${id}-mode`}>Mode</label>
            <select
              id={`${id}-mode`}
              data-testid="new-mode"
              value={mode}
              aria-describedby={terminalProblem === undefined ? undefined : `${id}-mode-note`}
              onChange={(event) => setMode(event.target.value === 'pipe' ? 'pipe' : 'pty')}
            >
              <option value="pty" disabled={terminalProblem !== undefined}>
                Terminal: programs behave as in your own
              </option>
              <option value="pipe">Without a terminal (separates errors from output)</option>
            </select>
            {terminalProblem !== undefined && (
              <p className="dialog-note" id={`${id}-mode-note`} data-testid="new-no-terminal">
                {terminalProblem.message} {terminalProblem.hint}
              </p>
            )}
          </div>
        </div>
        {error !== undefined && <Failure error={error} />}
        <DialogButtons onClose={onClose}>
          <button type="submit" className="button primary" disabled={busy} data-testid="new-start">
            {busy ? 'Starting…' : 'Start'}
          </button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}

/** Parses labels; a value may contain `=`. Throws `bad_request` for a part without a key. */
export const labelsFrom = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => {
        const at = part.indexOf('=');
        const key = part.slice(0, Math.max(at, 0)).trim();
        if (key === '') {
          throw new BinnacleError('bad_request', {
            message: `“${part.slice(0, 40)}” is not a label.`,
            hint: 'Write key=value, with a comma before the next one.',
          });
        }
        return [key, part.slice(at + 1).trim()];
      }),
  );
