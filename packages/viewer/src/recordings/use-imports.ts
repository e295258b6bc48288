// The imports of this page, run one after the other, as React state.

import type { Binnacle, ImportedRecording } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { type Upload, uploadRecording } from './upload.ts';

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
