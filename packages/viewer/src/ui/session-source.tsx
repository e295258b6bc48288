// The origin of a foreign session: a recording, or a program elsewhere.

import type { ForeignInfo } from '@binnacle/protocol';
import { oneLine } from '../model/format.ts';
import { isRecording } from '../model/sessions.ts';
import { ElsewhereIcon, FilmIcon } from './icons.tsx';
import './session-source.css';

interface SessionSourceProps {
  readonly foreign: ForeignInfo;
  /** `Runs` or `Ran`. Unused for a recording. */
  readonly verb: string;
}

export function SessionSource({ foreign, verb }: SessionSourceProps) {
  const source = oneLine(foreign.source, 64);
  const isFilm = isRecording({ foreign });
  return (
    <span className="session-source" title={isFilm ? 'A recording' : `${verb} elsewhere, from ${source}`}>
      {isFilm ? <FilmIcon /> : <ElsewhereIcon />}
      {!isFilm && <span className="sr-only">{verb.toLowerCase()} elsewhere, from </span>}
      <span className="session-source-name">{source}</span>
    </span>
  );
}
