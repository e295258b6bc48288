// One session of an emitter as the program sees it: output in, nothing out, and never an error.

import { isEmittedId } from '@binnacle/protocol';
import type { Diagnostics } from './diagnostics.ts';
import type { Channel, EventBuffer } from './event-buffer.ts';
import { clippedHead, type EmittedFields, type EventHead, STREAMS } from './fields.ts';
import type { Tally } from './tally.ts';

/** An event of the wire holds at most 1 MiB; smaller ones find room where a larger would be lost whole. */
const EVENT_BYTES = 128 * 1024;

/**
 * A session of an emitter. No method throws or waits.
 *
 * @example
 * ```ts
 * const session = emitter.session({ command: 'pytest', stream: 'stdout', labels: { job: '42' } });
 * session.output('collected 12 items\n');
 * session.output('1 warning\n', { stream: 'stderr' });
 * session.end({ exitCode: 1 });
 * ```
 */
export interface EmittedSession {
  /** Id of the session at the emitter. */
  readonly id: string;
  /**
   * Sends output of the program. Bytes are sent as they are, a string as UTF-8. It is dropped and counted when the
   * buffer is full.
   */
  output(output: string | Uint8Array, options?: { readonly stream?: 'tty' | 'stdout' | 'stderr' }): void;
  /** Sends another event, with output or without. */
  event(fields: EmittedFields): void;
  /** Ends the session; nothing may follow. Without an exit code and a signal, the end of the program is unknown. */
  end(how?: { readonly exitCode?: number | null; readonly signal?: string | null }): void;
}

export interface SessionParts {
  readonly buffer: EventBuffer;
  readonly diagnostics: Diagnostics;
  readonly tally: Tally;
  readonly channel: Channel;
  readonly wake: () => void;
  readonly ended: () => void;
}

export class BufferedSession implements EmittedSession {
  readonly id: string;
  private readonly parts: SessionParts;
  /** Fields that no buffered event has carried yet: command and source of a session whose first event found no room. */
  private pendingFields: EventHead;
  /** Stream of output that names none. */
  private readonly stream: EventHead['stream'];
  /** Bytes of output that found no room since the last buffered event. */
  private lost: number;
  private hasEnded: boolean;

  constructor(parts: SessionParts, first: { readonly [K in keyof EventHead]?: unknown }) {
    this.id = parts.channel.id;
    this.parts = parts;
    this.pendingFields = {};
    this.stream = STREAMS.find((stream) => stream === first.stream);
    this.lost = 0;
    this.hasEnded = false;
    this.safely(() => {
      this.pendingFields = clippedHead(first, (what) => this.clipped(what));
      // At once, so that a program that says nothing is seen as well.
      this.put({ timestamp: Date.now() }, NOTHING);
    });
  }

  output(
    output: string | Uint8Array,
    { stream = this.stream }: { readonly stream?: 'tty' | 'stdout' | 'stderr' | undefined } = {},
  ): void {
    this.safely(() => {
      const bytes = bytesOf(output);
      const head: EventHead = { timestamp: Date.now(), ...(stream === undefined ? {} : { stream }) };
      for (let at = 0; at < bytes.length; at += EVENT_BYTES)
        this.put(head, bytes.subarray(at, at + EVENT_BYTES), 'output');
    });
  }

  event(fields: EmittedFields): void {
    this.safely(() => {
      const { response, ...rest } = fields;
      const head = clippedHead({ timestamp: Date.now(), ...rest }, (what) => this.clipped(what));
      const bytes = bytesOf(response ?? NOTHING);
      // The first of several events carries the command, the last one the end, behind all output.
      let part = bytes.length > EVENT_BYTES ? without(head, END_FIELDS) : head;
      let at = 0;
      for (; bytes.length - at > EVENT_BYTES; at += EVENT_BYTES) {
        this.put(part, bytes.subarray(at, at + EVENT_BYTES));
        part = without(head, at + 2 * EVENT_BYTES < bytes.length ? [...COMMAND_FIELDS, ...END_FIELDS] : COMMAND_FIELDS);
      }
      this.put(part, bytes.subarray(at));
    });
  }

  end({ exitCode, signal }: { readonly exitCode?: number | null; readonly signal?: string | null } = {}): void {
    this.event({
      is_final: true,
      ...(exitCode === undefined ? {} : { exit_code: exitCode }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  private put(head: EventHead, output: Uint8Array, kind: 'output' | 'event' = 'event'): void {
    const { buffer, tally, diagnostics, channel, wake, ended } = this.parts;
    if (this.hasEnded || buffer.isClosed) {
      tally.offered += 1;
      tally.dropped += 1;
      tally.lostBytes += output.length;
      diagnostics.report({
        kind: 'after_end',
        message: 'Output arrived for a session that has ended, or from an emitter that is closed.',
        session: this.id,
      });
      return;
    }
    const isEnd = head.is_final === true;
    if (isEnd) {
      this.hasEnded = true;
      ended();
    }
    if (channel.isRefused) {
      tally.offered += 1;
      tally.refused += 1;
      tally.lostBytes += output.length;
      return;
    }
    const lost = this.lost === 0 ? {} : { lost_bytes: this.lost };
    if (
      buffer.put(
        channel,
        { ...this.pendingFields, ...head, ...lost },
        output,
        isEnd && output.length === 0 ? 'end' : kind,
      )
    ) {
      this.pendingFields = {};
      this.lost = 0;
    } else {
      tally.offered += 1;
      tally.dropped += 1;
      tally.lostBytes += output.length;
      this.lost += output.length;
      diagnostics.report({
        kind: 'buffer_full',
        message: 'The buffer is full: output is dropped until the gateway takes events again.',
        hint: 'Viewers see how much is missing. For a larger buffer, raise buffer.bytes.',
      });
      // The output had no room; that the session has ended has.
      if (isEnd && output.length > 0)
        buffer.put(channel, { ...this.pendingFields, ...head, lost_bytes: this.lost }, NOTHING, 'end');
    }
    wake();
  }

  private clipped(what: string): void {
    this.parts.diagnostics.report({
      kind: 'clipped',
      message: `${what} is over a limit of the protocol: it was cut or left out.`,
      session: this.id,
    });
  }

  /** Arguments come from programs without types, and a fault of ours must not end the program either. */
  private safely(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.parts.tally.dropped += 1;
      this.parts.tally.offered += 1;
      this.parts.diagnostics.report({
        kind: 'clipped',
        message: `Something could not be emitted: ${error instanceof Error ? error.message : String(error)}`,
        session: this.id,
      });
    }
  }
}

export const isGoodId = (id: string | undefined): id is string => typeof id === 'string' && isEmittedId(id);

const END_FIELDS: readonly (keyof EventHead)[] = ['exit_code', 'signal', 'is_final'];
const COMMAND_FIELDS: readonly (keyof EventHead)[] = [
  'command',
  'command_preview',
  'response_preview',
  'cwd',
  'cols',
  'rows',
];

const without = (head: EventHead, keys: readonly string[]): EventHead =>
  Object.fromEntries(Object.entries(head).filter(([key]) => !keys.includes(key)));

const NOTHING = new Uint8Array(0);

function bytesOf(output: string | Uint8Array): Uint8Array {
  if (typeof output === 'string') return Buffer.from(output);
  if (output instanceof Uint8Array) return output;
  throw new TypeError('Output is a string or a Uint8Array.');
}
