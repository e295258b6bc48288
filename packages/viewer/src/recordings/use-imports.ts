// The imports of this page, run one after the other, as React state.

import type { Binnacle, ImportedRecording } from '@binnacle/client';
import { BinnacleError, isCode, type WireError } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';

export interface Import {
  readonly id: number;
  readonly name: string;
  /** `stopped`: by the user who began the import. */
  readonly state: 'waiting' | 'sending' | 'done' | 'failed' | 'stopped';
  /** Sent share of the file, 0 to 1. */
  readonly progress: number;
  readonly result?: ImportedRecording;
  readonly error?: BinnacleError;
}

export interface Imports {
  /** The imports, in the order in which they were chosen. */
  readonly all: readonly Import[];
  readonly add: (files: readonly File[], options: { readonly input: boolean }) => void;
  /** Stops an import, or removes a finished one from the list. */
  readonly remove: (id: number) => void;
}

interface PendingImport {
  readonly id: number;
  readonly file: File;
  readonly input: boolean;
}

export function useImports(client: Binnacle): Imports {
  const [all, setAll] = useState<readonly Import[]>([]);
  const waiting = useRef<PendingImport[]>([]);
  const under = useRef<{ readonly id: number; readonly upload: Upload }>(undefined);
  const last = useRef(0);
  const change = useCallback((id: number, by: Partial<Import>) => {
    setAll((before) => before.map((one) => (one.id === id ? { ...one, ...by } : one)));
  }, []);

  // Sequential: the gateway accepts few at once, and others import too.
  const next = useCallback((): void => {
    const one = under.current === undefined ? waiting.current.shift() : undefined;
    if (one === undefined) return;
    const { id, file, input } = one;
    const { headers } = client;
    const upload = uploadRecording(file, { input, headers, progress: (progress) => change(id, { progress }) });
    under.current = { id, upload };
    change(id, { state: 'sending' });
    upload.done
      .then(
        (result) => change(id, { state: 'done', result }),
        (cause: unknown) =>
          setAll((before) =>
            before.map((other) =>
              other.id === id && other.state !== 'stopped'
                ? { ...other, state: 'failed', error: asFailure(cause) }
                : other,
            ),
          ),
      )
      .finally(() => {
        under.current = undefined;
        next();
      });
  }, [client, change]);

  const add = useCallback(
    (files: readonly File[], { input }: { readonly input: boolean }): void => {
      const added = files.map((file) => {
        last.current += 1;
        return { id: last.current, file, input };
      });
      waiting.current.push(...added);
      setAll((before) => [
        ...before,
        ...added.map(({ id, file }) => ({ id, name: file.name, state: 'waiting' as const, progress: 0 })),
      ]);
      next();
    },
    [next],
  );
  const remove = useCallback(
    (id: number): void => {
      waiting.current = waiting.current.filter((one) => one.id !== id);
      if (under.current?.id === id) {
        change(id, { state: 'stopped' });
        under.current.upload.stop();
        return;
      }
      setAll((before) => before.filter((one) => one.id !== id));
    },
    [change],
  );
  // Leaving the page stops the imports: their results would not be seen.
  useEffect(
    () => () => {
      waiting.current = [];
      under.current?.upload.stop();
    },
    [],
  );
  return { all, add, remove };
}

interface Upload {
  /** The result. Rejects with the gateway's error, or `unreachable`. */
  readonly done: Promise<ImportedRecording>;
  readonly stop: () => void;
}

interface UploadOptions {
  /** True to include typed text. */
  readonly input: boolean;
  /** Headers that authenticate the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Receives the share of the file that was sent, 0 to 1. At 1 the gateway is still reading. */
  readonly progress: (share: number) => void;
}

function uploadRecording(file: Blob, { input, headers, progress }: UploadOptions): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<ImportedRecording>((resolve, reject) => {
    const lost = (): void => reject(new BinnacleError('unreachable', { details: { url: location.origin } }));
    request.upload.onprogress = ({ loaded, total }) => progress(total === 0 ? 1 : loaded / total);
    request.onload = () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText) as ImportedRecording);
      else reject(failureOf(request));
    };
    request.onerror = lost;
    request.onabort = lost;
    request.open('POST', `v1/recordings${input ? '?input=1' : ''}`);
    request.setRequestHeader('Content-Type', 'application/x-asciicast');
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.send(file);
  });
  return { done, stop: () => request.abort() };
}

function failureOf({ status, responseText }: XMLHttpRequest): BinnacleError {
  try {
    const { error } = JSON.parse(responseText) as { readonly error?: WireError };
    if (error !== undefined && isCode(error.code)) return BinnacleError.fromWire(error);
  } catch {
    // A proxy in between answered, not the gateway: the status is all there is.
  }
  if (status === 413) return new BinnacleError('body_too_large', { details: { status } });
  return new BinnacleError(status >= 500 ? 'unreachable' : 'internal', { details: { status } });
}
