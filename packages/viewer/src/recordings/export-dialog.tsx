// Export of a session or conversation as a file. The browser downloads the file itself, so nothing is buffered in
// memory.

import type { Binnacle } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { type ReactNode, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { InputChoice } from './include-input.tsx';
import './export-dialog.css';

interface ExportDialogProps {
  readonly client: Binnacle;
  /** The route, without a query. */
  readonly path: string;
  readonly kind: 'session' | 'conversation';
  /** True for a recording: it contains typed text only if that was imported. */
  readonly isRecording?: boolean;
  readonly onClose: () => void;
}

interface Form {
  readonly format: string;
  readonly label: string;
  readonly what: string;
}

const FORMS: Readonly<Record<ExportDialogProps['kind'], readonly Form[]>> = {
  session: [
    { format: 'cast', label: 'Recording (.cast)', what: 'asciicast v3: plays here, in asciinema 3 and on pages' },
    { format: 'text', label: 'Text', what: 'what was printed, without colours' },
    { format: 'markdown', label: 'Markdown', what: 'to read and to send: command, output, how it ended' },
    { format: 'jsonl', label: 'JSON Lines', what: 'each entry of the log, for programs' },
  ],
  conversation: [
    { format: 'markdown', label: 'Markdown', what: 'to read and to send: what was said and done' },
    { format: 'jsonl', label: 'JSON Lines', what: 'each event of the log, for programs' },
  ],
};
/** Formats that can contain the typed text with author and time. */
const INPUT_FORMATS = new Set(['cast', 'jsonl', 'markdown']);

export function ExportDialog({ client, path, kind, isRecording = false, onClose }: ExportDialogProps) {
  return (
    <Dialog label={`Export this ${kind}`} onClose={onClose}>
      <h2>Export</h2>
      <p>The whole {kind}, as far as it is kept, up to now.</p>
      <Forms client={client} path={path} kind={kind} isRecording={isRecording} />
      <DialogButtons label="Close" onClose={onClose} />
    </Dialog>
  );
}

function Forms({ client, path, kind, isRecording }: Required<Omit<ExportDialogProps, 'onClose'>>): ReactNode {
  const [input, setInput] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const save = (format: string): void => {
    setError(undefined);
    const query = `?format=${format}${input && INPUT_FORMATS.has(format) ? '&input=1' : ''}`;
    client.downloadUrl(path + query).then(download, (cause: unknown) => setError(asFailure(cause)));
  };
  return (
    <>
      <ul className="export-forms">
        {FORMS[kind].map(({ format, label, what }) => (
          <li key={format}>
            <button type="button" className="export-form" onClick={() => save(format)} data-testid={`export-${format}`}>
              <strong>{label}</strong>
              <small>{what}</small>
            </button>
          </li>
        ))}
      </ul>
      {error !== undefined && <Failure error={error} />}
      {kind === 'session' && (
        <InputChoice
          checked={input}
          onChange={setInput}
          label={isRecording ? 'Include what was typed' : 'Include who typed when (not the text)'}
          test="export-input"
        >
          {isRecording && 'If it was imported with the recording. It may contain passwords.'}
        </InputChoice>
      )}
    </>
  );
}

function download(url: string): void {
  const link = document.createElement('a');
  link.href = url;
  // The gateway names the file.
  link.download = '';
  link.click();
}
