// One message and its run: sent once whatever happens to the connection, read as a stream, awaited for its end.

import {
  type AbortReceipt,
  type BinnacleError,
  CODES,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationRun,
  defined,
  isEndEvent,
  type MessageInfo,
  type SendMessage,
  type SendReceipt,
} from '@binnacle/protocol';
import { Operation, type Operations } from '../transport/operation.ts';
import { conversationPath, eventStream, type StreamOptions } from './stream.ts';

/** Options of `Conversation.send`. */
export interface SendOptions extends Omit<SendMessage, 'text'>, StreamOptions {}

/** Place of a message's run. `run`: null while the message waits to be injected into one. */
interface RunPlace {
  readonly run: string | null;
  readonly position: string;
}

/** Less than the 55 s that the gateway takes, and the 60 s after which common proxies cut a request. */
const WAIT_MS = 50_000;

/**
 * A sent message and the run that it begins, from `Conversation.send`. Each loop over it yields the run from its
 * beginning to its end, which comes last.
 *
 * @example
 * ```ts
 * const reply = conversation.send('Run the tests.');
 * for await (const event of reply) {
 *   if (event.type === 'delta' && event.stream === 'said') process.stdout.write(event.text);
 *   if (event.type === 'tool') console.log(event.tool.title, event.tool.status);
 *   if (event.type === 'approval') await conversation.answer(event.approval.id, 'allow');
 * }
 * ```
 */
export class Reply implements AsyncIterable<ConversationEvent> {
  /** Key of the conversation. */
  readonly conversation: string;
  /** Id of the message, and of the run that it begins. */
  readonly id: string;
  readonly #operations: Operations;
  readonly #operation: Operation;
  readonly #message: SendMessage & { readonly id: string };
  readonly #options: StreamOptions;
  readonly #lease: string | undefined;
  readonly #acceptance: Promise<SendReceipt>;
  #ending: Promise<ConversationRun | null> | null = null;

  /** `turn`: what is to be over before it is sent. */
  constructor(
    operations: Operations,
    conversation: string,
    message: SendMessage & { readonly id: string },
    options: StreamOptions & { readonly lease?: string },
    turn: Promise<unknown>,
  ) {
    const { lease, ...rest } = options;
    this.conversation = conversation;
    this.id = message.id;
    this.#operations = operations;
    this.#operation = new Operation(operations);
    this.#message = message;
    this.#options = rest;
    this.#lease = lease;
    this.#acceptance = this.#operation.during(async () => {
      await turn;
      return await this.#send();
    });
    this.#operation.report(this.#acceptance);
  }

  /**
   * Resolves when the gateway has stored the message. Throws `message_conflict`, `queue_full`, `message_too_large`,
   * `lease_held`, and `unreachable` after `requestTimeoutMs`.
   */
  get receipt(): Promise<SendReceipt> {
    this.#operation.isWatched = true;
    return this.#acceptance;
  }

  /**
   * Resolves with the run when it has ended; with null if there was none (a stop text, a message that was cancelled
   * while it waited). Throws what `receipt` throws, `conversation_not_found`, `client_closed`.
   */
  get ended(): Promise<ConversationRun | null> {
    this.#operation.isWatched = true;
    this.#ending ??= this.#operation.during(() => this.#waitForEnd());
    return this.#ending;
  }

  /** Resolves when it is known whether the gateway has the message. Never throws. */
  get settled(): Promise<void> {
    return this.#acceptance.then(
      () => undefined,
      () => undefined,
    );
  }

  /** Aborts the run, or cancels the message while it waits. Resolves when that is done. */
  async abort(): Promise<AbortReceipt> {
    await this.receipt;
    const place = await this.#place();
    if (place === null) return { aborted: [] };
    return await this.#operations.http.json({ method: 'DELETE', path: this.#runPath(place.run ?? this.id) });
  }

  /**
   * Yields the run from its beginning to its end, which comes last, and what becomes of the message. It resumes after a
   * lost connection. Leaving the loop early closes the connection; the run goes on.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ConversationEvent, void, undefined> {
    this.#operation.isWatched = true;
    return this.#read();
  }

  /** Ends what is in progress here. The run itself goes on. */
  stop(error: BinnacleError): void {
    this.#operation.stop(error);
  }

  async *#read(): AsyncGenerator<ConversationEvent, void, undefined> {
    this.#operation.begin();
    try {
      const { aborted } = await this.#acceptance;
      if (aborted !== undefined) return;
      const place = await this.#place();
      if (place === null) return;
      let { run } = place;
      const stream = eventStream(
        this.#operations,
        this.conversation,
        place.position,
        this.#options,
        this.#operation.signal,
      );
      for await (const step of stream) {
        if (step.type === 'gap') continue; // the end has the whole text
        for (const event of step.events) {
          if (run === null && event.type === 'message_delivered' && event.id === this.id) run = event.run;
          if (!this.#concerns(event, run)) continue;
          yield event;
          if (isEndEvent(event) || event.type === 'message_cancelled') return;
        }
      }
    } catch (error) {
      // The loop ends, like every loop of a closed client.
      if (!this.#operation.signal.aborted) throw error;
    } finally {
      this.#operation.done();
    }
  }

  #concerns(event: ConversationEvent, run: string | null): boolean {
    switch (event.type) {
      case 'message_edited':
      case 'message_cancelled':
      case 'message_delivered':
        return event.id === this.id;
      case 'run_started':
        return event.run.id === run;
      case 'message': // the receipt says it
      case 'note':
      case 'changed':
        return false;
      default:
        return event.run === run;
    }
  }

  /** Null where it began no run and will begin none. */
  async #place(): Promise<RunPlace | null> {
    const receipt = await this.#acceptance;
    if (receipt.aborted !== undefined) return null;
    if (typeof receipt.run?.position === 'string') return { run: receipt.run.id, position: receipt.run.position };
    // First where the log ends, then how the message stands: what is not yet is behind that place.
    const { position } = await this.#get<ConversationInfo>(this.#path);
    const message = await this.#get<MessageInfo>(`${this.#path}/messages/${encodeURIComponent(this.id)}`);
    if (message.state === 'cancelled') return null;
    const { run } = message;
    if (run === null) return { run: message.steer === 'inject' ? null : this.id, position };
    return { run, position: (await this.#get<ConversationRun>(this.#runPath(run))).position ?? position };
  }

  async #waitForEnd(): Promise<ConversationRun | null> {
    const receipt = await this.#acceptance;
    let id = receipt.run?.id ?? (await this.#place())?.run ?? null;
    if (id === null) {
      for await (const event of this) if (event.type === 'message_delivered' || isEndEvent(event)) id = event.run;
      if (id === null) return null;
    }
    for (;;) {
      const run = await this.#get<ConversationRun>(this.#runPath(id), WAIT_MS).catch((error: BinnacleError) => {
        // Taken back while it waited, it never was a run.
        if (CODES[error.code].status === 404 && error.code !== 'conversation_not_found') return null;
        throw error;
      });
      if (run === null || run.end !== null) return run;
      if (run.state === 'queued' && (await this.#place()) === null) return null;
    }
  }

  /** Sent again and again under one id, it acts once. */
  async #send(): Promise<SendReceipt> {
    const headers = defined({ 'Binnacle-Lease': this.#lease });
    const request = { method: 'POST' as const, path: `${this.#path}/messages`, headers, body: this.#message };
    return await this.#operation.persist<SendReceipt>(
      () => this.#operations.http.json({ ...request, signal: this.#operation.signal }),
      (error) => this.#operation.mayBegin(error),
    );
  }

  async #get<T>(path: string, waitMs = 0): Promise<T> {
    const request = { path, query: waitMs === 0 ? {} : { wait: waitMs }, waitMs, signal: this.#operation.signal };
    return await this.#operation.persist<T>(
      () => this.#operations.http.json(request),
      ({ code }) => CODES[code].retry,
    );
  }

  get #path(): string {
    return conversationPath(this.conversation);
  }

  #runPath(run: string): string {
    return `${this.#path}/runs/${encodeURIComponent(run)}`;
  }
}
