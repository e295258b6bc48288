// Uploads one recording with progress, which only XMLHttpRequest reports.

import type { ImportedRecording } from '@binnacle/client';
import { BinnacleError, isCode, type WireError } from '@binnacle/protocol';

export interface Upload {
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
    // A proxy in between answered, not the gateway: the status is all there is.
  }
  if (status === 413) return new BinnacleError('body_too_large', { details: { status } });
  return new BinnacleError(status >= 500 ? 'unreachable' : 'internal', { details: { status } });
}
