// Taking a session or a conversation away as a file: links that the browser downloads, so that nothing is held in memory.

import { type ReactNode, useState } from 'react';
import { Dialog } from './dialog.tsx';
import { InputChoice } from './input-choice.tsx';

interface ExportDialogProps {
  /** The route below the page's own address, without a query. */
  readonly path: string;
  readonly kind: 'session' | 'conversation';
  /** Of a recording the typed text may be there, if it was imported with it. */
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
    { format: 'cast', label: 'Recording (.cast)', what: 'asciicast v3: plays here, in asciinema and on pages' },
    { format: 'text', label: 'Text', what: 'what was printed, without colours' },
    { format: 'markdown', label: 'Markdown', what: 'to read and to send: command, output, how it ended' },
    { format: 'jsonl', label: 'Lines of JSON', what: 'each entry of the log, for programs' },
  ],
  conversation: [
    { format: 'markdown', label: 'Markdown', what: 'to read and to send: what was said and done' },
    { format: 'jsonl', label: 'Lines of JSON', what: 'each event of the log, for programs' },
  ],
};
/** Where who typed, and when, can be in the file. */
const TELLS_INPUT = new Set(['cast', 'jsonl', 'markdown']);

export function ExportDialog({ path, kind, isRecording = false, onClose }: ExportDialogProps) {
  return (
    <Dialog label={`Save this ${kind} as a file`} onClose={onClose}>
      <h2>Save as a file</h2>
      <p>The whole {kind}, as far as it is kept, up to now.</p>
      <Forms path={path} kind={kind} isRecording={isRecording} />
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Forms({ path, kind, isRecording }: Required<Omit<ExportDialogProps, 'onClose'>>): ReactNode {
  const [input, setInput] = useState(false);
  return (
    <>
      <ul className="export-forms">
        {FORMS[kind].map(({ format, label, what }) => (
          <li key={format}>
            <a
              className="export-form"
              href={`${path}?format=${format}${input && TELLS_INPUT.has(format) ? '&input=1' : ''}`}
              // The name of the file is the gateway's to say.
              download=""
              data-testid={`export-${format}`}
            >
              <strong>{label}</strong>
              <small>{what}</small>
            </a>
          </li>
        ))}
      </ul>
      {kind === 'session' && (
        <InputChoice checked={input} onChange={setInput} label="With input" test="export-input">
          {isRecording
            ? 'What was typed, if it was imported with the recording. It may hold passwords.'
            : 'Who typed and when; what was typed is never kept.'}
        </InputChoice>
      )}
    </>
  );
}
