// Exports a session's log as Markdown: commands and their times, output in blocks that no output can close, and the
// exit.

import { commandOf, type EntryData, isOutput, type RunInfo } from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import type { Entry } from '../log/log.ts';
import { CodeFence, inlineCode } from './markdown.ts';
import { PlainStreams } from './text-writer.ts';
import { type ExportWriter, entryBody, gapText, type RecordedSession } from './writer.ts';

const MAX_COMMAND = 2000;

export class MarkdownWriter implements ExportWriter {
  readonly #session: RecordedSession;
  readonly #withInput: boolean;
  readonly #streams = new PlainStreams();
  readonly #fence = new CodeFence();
  #hasBegun = false;
  #end = '';
  #lastTime: number | undefined;

  constructor(session: RecordedSession, options: { readonly input: boolean }) {
    this.#session = session;
    this.#withInput = options.input;
  }

  entry(entry: Entry): string {
    this.#lastTime = entry.time;
    const begin = this.#begin();
    if (isOutput(entry.kind)) return begin + this.#fence.push(this.#streams.push(entry.kind, entry.bytes));
    return begin + this.#eventText(entry);
  }

  gap(gap: Pick<Gap, 'from' | 'to' | 'reason'>): string {
    return this.#begin() + this.#paragraph(`*${gapText(gap)}*`);
  }

  end(isOver: boolean): string {
    const rest = this.#begin() + (isOver ? this.#settle() : this.#fence.close());
    if (!isOver) return `${rest}\nIt still runs.\n`;
    const when = this.#lastTime === undefined ? '' : ` at ${timeOf(this.#lastTime)}`;
    return `${rest}\n${this.#end === '' ? 'It ended; nobody saw how' : this.#end}${when}.\n`;
  }

  #begin(): string {
    if (this.#hasBegun) return '';
    this.#hasBegun = true;
    const { name, cwd, createdAt, foreign, id, mode, cols, rows } = this.#session;
    const command = commandOf(this.#session).slice(0, MAX_COMMAND);
    const facts = [
      ...(command === '' ? [] : [`- Command: ${inlineCode(command)}`]),
      ...(cwd === '' ? [] : [`- Directory: ${inlineCode(cwd)}`]),
      ...(foreign === null ? [] : [`- Source: ${inlineCode(foreign.source)}`]),
      `- Began: ${timeOf(createdAt)}`,
      mode === 'pty' ? `- Terminal: ${cols} columns, ${rows} rows` : '- No terminal: on pipes',
      `- Session: ${inlineCode(id)}`,
    ];
    return `# ${inlineCode(name)}\n\n${facts.join('\n')}\n\n`;
  }

  #eventText(entry: Entry): string {
    switch (entry.kind) {
      case 'exit': {
        const { exitCode, signal } = entryBody<EntryData['exit']>(entry);
        if (signal != null) this.#end = `Signal ${inlineCode(signal)} ended it`;
        else if (exitCode != null) this.#end = `Exit code ${exitCode}`;
        return '';
      }
      case 'signal':
        return this.#paragraph(`*signal ${inlineCode(entryBody<EntryData['signal']>(entry).signal ?? '')}*`);
      case 'input':
        return this.#withInput ? this.#paragraph(inputText(entryBody<EntryData['input']>(entry))) : '';
      case 'event':
        return this.#event(entry);
      default:
        return '';
    }
  }

  #event(entry: Entry): string {
    const body = entryBody(entry);
    if (body.type === 'run_started' && body.run !== undefined) {
      const { command, by } = body.run;
      const who = `by ${inlineCode(by)}, ${timeOf(entry.time)}`;
      return this.#paragraph(`## ${inlineCode(command.slice(0, MAX_COMMAND))}\n\n${who}`);
    }
    if (body.type === 'run_ended' && body.run !== undefined) return this.#paragraph(runEnd(body.run));
    if (body.type === 'session_reset') return this.#paragraph('*a fresh shell*');
    if (body.type === 'marker') return this.#paragraph(`*mark ${inlineCode(body.label ?? '')}*`);
    const { traffic } = body;
    const lost = traffic?.lost_bytes;
    return [
      ...(lost ? [`*${lost} bytes of output are missing here (its emitter had no room)*`] : []),
      ...(traffic?.command === undefined ? [] : [`## ${inlineCode(traffic.command.slice(0, MAX_COMMAND))}`]),
    ]
      .map((text) => this.#paragraph(text))
      .join('');
  }

  /** Returns a paragraph between two blocks of output. */
  #paragraph(text: string): string {
    return `${this.#settle()}\n${text}\n\n`;
  }

  /** Ends the block of output, so that the following text is outside of it. */
  #settle(): string {
    return this.#fence.push(this.#streams.flush()) + this.#fence.close();
  }
}

const timeOf = (time: number): string => new Date(time).toISOString();

const inputText = ({ by = '', bytes, text }: Partial<EntryData['input']>): string =>
  `*input from ${inlineCode(by)}: ${text === undefined ? `${bytes} bytes` : inlineCode(JSON.stringify(text))}*`;

function runEnd({ outcome, exitCode, durationMs }: RunInfo): string {
  const how = outcome === 'exited' || outcome === null ? '' : `${outcome.replace('_', ' ')}, `;
  const duration = durationMs === null ? '' : `, after ${(durationMs / 1000).toFixed(1)} s`;
  return `*${how}exit code ${exitCode ?? 'unknown'}${duration}*`;
}
