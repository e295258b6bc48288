// The page of recordings: upload of asciicast files by drop or choice, and the stored recordings to play.

import type { Binnacle } from '@binnacle/client';
import { RECORDING_SOURCE, type SessionInfo } from '@binnacle/protocol';
import { type DragEvent, type ReactNode, useRef, useState } from 'react';
import { age, bytes, oneLine } from '../model/format.ts';
import { addressOf } from '../model/route.ts';
import { isRecording, title } from '../model/sessions.ts';
import { useNow } from '../state/use-clock.ts';
import { Failure } from '../ui/failure.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { CloseIcon, FileInIcon, FilmIcon } from '../ui/icons.tsx';
import { Empty, Page } from '../ui/page.tsx';
import { durationText, importText } from './format.ts';
import { InputChoice } from './include-input.tsx';
import { type Import, useImports } from './use-imports.ts';
import './recordings-view.css';

interface RecordingsViewProps {
  readonly client: Binnacle;
  readonly sessions: readonly SessionInfo[];
  readonly loading: boolean;
  /** True if this token may start sessions, which an import needs. */
  readonly mayImport: boolean;
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
}

export function RecordingsView({ client, sessions, loading, mayImport, menu, linkNotice }: RecordingsViewProps) {
  const imports = useImports(client);
  const recordings = sessions.filter(isRecording);
  return (
    <Page
      title="Recordings"
      icon={<FilmIcon />}
      subtitle="Terminal sessions that were recorded elsewhere (asciicast), to play and to search"
      menu={menu}
      notices={linkNotice}
      busy={imports.all.some(({ state }) => state === 'sending' || state === 'waiting')}
      test="recordings-view"
    >
      {mayImport && <DropPlace onFiles={imports.add} />}
      {imports.all.length > 0 && (
        <ul className="imports" aria-label="Imports">
          {imports.all.map((one) => (
            <ImportRow key={one.id} one={one} onRemove={() => imports.remove(one.id)} />
          ))}
        </ul>
      )}
      {recordings.length === 0 ? (
        <Empty
          icon={<FilmIcon />}
          title={loading ? 'Looking…' : 'No recordings yet'}
          waiting={loading}
          test="recordings-none"
        >
          {!loading && (
            <p>
              {mayImport ? 'Drop a .cast file above, or: ' : 'From a terminal: '}
              <code>binnacle import FILE.cast</code>. To make one of a session: Save as a file, in its menu.
            </p>
          )}
        </Empty>
      ) : (
        <RecordingList recordings={recordings} />
      )}
    </Page>
  );
}

interface DropPlaceProps {
  readonly onFiles: (files: readonly File[], options: { readonly input: boolean }) => void;
}

function DropPlace({ onFiles }: DropPlaceProps) {
  const [over, setOver] = useState(false);
  const [input, setInput] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    onFiles([...event.dataTransfer.files], { input });
  };
  const dragged = (event: DragEvent): void => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    setOver(true);
  };
  return (
    <section
      className={over ? 'drop over' : 'drop'}
      aria-label="Import recordings"
      onDragEnter={dragged}
      onDragOver={dragged}
      onDragLeave={() => setOver(false)}
      onDrop={dropped}
      data-testid="drop"
    >
      <FileInIcon />
      <p>Drop asciicast files here (.cast, version 1, 2 or 3), or</p>
      <button type="button" className="button primary" onClick={() => field.current?.click()}>
        Choose files
      </button>
      {/* The button is visible and has the focus; this hidden input opens the browser's file dialog. */}
      <input
        ref={field}
        className="drop-field"
        type="file"
        multiple
        accept=".cast,.json,application/x-asciicast"
        tabIndex={-1}
        aria-hidden="true"
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])], { input });
          // Reset, so that the same file may be chosen again.
          event.target.value = '';
        }}
        data-testid="import-file"
      />
      <InputChoice checked={input} onChange={setInput} label="With what was typed" test="import-input">
        If it was recorded. It may hold passwords, and whoever may see the session can read it.
      </InputChoice>
    </section>
  );
}

const STATES: Readonly<Record<Import['state'], string>> = {
  waiting: 'waits for its turn',
  sending: 'sending',
  done: 'imported',
  failed: 'not imported',
  stopped: 'stopped: nothing of it was kept',
};

function ImportRow({ one, onRemove }: { readonly one: Import; readonly onRemove: () => void }) {
  const { state, progress, result } = one;
  const isOver = state !== 'waiting' && state !== 'sending';
  const text = state === 'sending' && progress >= 1 ? 'sent; the server is reading it' : STATES[state];
  return (
    <li className="import" data-testid="import" data-state={state}>
      <div className="import-head">
        <strong>{oneLine(one.name, 80)}</strong>
        <span role="status">{text}</span>
        <IconButton
          label={isOver ? `Take ${oneLine(one.name, 80)} from the list` : `Stop importing ${oneLine(one.name, 80)}`}
          onClick={onRemove}
          test="import-remove"
        >
          <CloseIcon />
        </IconButton>
      </div>
      {state === 'sending' && <progress value={progress} max={1} aria-label={`Of ${oneLine(one.name, 80)} sent`} />}
      {result !== undefined && (
        <p>
          {importText(result.recording)}{' '}
          <a href={addressOf({ kind: 'session', id: result.session.id })} data-testid="import-open">
            Open {oneLine(title(result.session), 60)}
          </a>
        </p>
      )}
      {one.error !== undefined && <Failure error={one.error} />}
    </li>
  );
}

function RecordingList({ recordings }: { readonly recordings: readonly SessionInfo[] }) {
  const now = useNow();
  return (
    <table className="recordings" data-testid="recordings">
      <thead>
        <tr>
          <th scope="col">Recording</th>
          <th scope="col">Made</th>
          <th scope="col">Length</th>
          <th scope="col">Size</th>
          <th scope="col">Imported</th>
        </tr>
      </thead>
      <tbody>
        {recordings.map((info) => (
          <tr key={info.id} data-testid="recording" data-session={info.id}>
            <th scope="row">
              <a href={addressOf({ kind: 'session', id: info.id })}>
                {info.name === RECORDING_SOURCE ? 'A recording' : oneLine(title(info), 100)}
              </a>
            </th>
            <td>
              <time dateTime={new Date(info.createdAt).toISOString()}>{new Date(info.createdAt).toLocaleString()}</time>
            </td>
            <td>{info.exitedAt === null ? '' : durationText(info.exitedAt - info.createdAt)}</td>
            <td>{bytes(info.outputOffset)}</td>
            <td>{importedText(now - (info.foreign?.heardAt ?? now))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function importedText(ms: number): string {
  const text = age(ms);
  return text === 'now' ? 'just now' : `${text} ago`;
}
