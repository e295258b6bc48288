// Sending one recording to the gateway with its progress, which only XMLHttpRequest tells. Knows no React.

import type { ImportedRecording } from '@binnacle/client';
import { BinnacleError, isCode, type WireError } from '@binnacle/protocol';

export interface Upload {
  /** Throws what the gateway answered, or `unreachable`. */
  readonly done: Promise<ImportedRecording>;
  readonly stop: () => void;
}

interface UploadOptions {
  /** Keep what was typed. */
  readonly input: boolean;
  /** Headers that say who is asking. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the file, 0 to 1. At 1 the gateway is reading it to its end. */
  readonly progress: (share: number) => void;
}

export function uploadRecording(file: Blob, { input, headers, progress }: UploadOptions): Upload {
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
    // Not ours: a proxy in between answered, and its status is all that it tells.
  }
  if (status === 413) return new BinnacleError('body_too_large', { details: { status } });
  return new BinnacleError(status >= 500 ? 'unreachable' : 'internal', { details: { status } });
}
