// Server-sent events for tests: keeps every event and comment in order, and waits for the ones that a test names.

import type { GatewayAccess } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';

export interface ServerEvent {
  /** The position behind it. */
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows which event it waits for.
  readonly data: any;
}

export class Events {
  readonly all: ServerEvent[] = [];
  readonly headers: Headers;
  comments = 0;
  /** Resolves when the answer has ended, however it did. */
  readonly ended: Promise<void>;
  readonly #abort: AbortController;
  #failure: Error | undefined;

  constructor(response: Response, abort: AbortController) {
    this.headers = response.headers;
    this.#abort = abort;
    this.ended = this.#read(response).catch((error: unknown) => {
      // A stream that is cut is what many tests are about; one that holds no events is a failure.
      if (error instanceof SyntaxError) this.#failure = error;
    });
  }

  /** All output of a kind, or of all kinds, as text. */
  text(kind?: string): string {
    return this.all
      .filter(({ event, data }) => event === 'output' && (kind === undefined || data.kind === kind))
      .map(({ data }) => data.text ?? Buffer.from(data.base64, 'base64').toString('latin1'))
      .join('');
  }

  async seen(name: string, fits: (events: Events) => boolean): Promise<void> {
    await until(name, () => {
      if (this.#failure !== undefined) throw this.#failure;
      return fits(this);
    });
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.ended;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #read(response: Response): Promise<void> {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    if (block.startsWith(':')) {
      this.comments += 1;
      return;
    }
    const [, id = '', event = '', data = ''] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block) ?? [];
    this.all.push({ id, event, data: JSON.parse(data) });
  }
}

/** Follows from `query` on. Throws when it is refused. */
export async function openEvents(
  gateway: Pick<GatewayAccess, 'url' | 'token'>,
  id: string,
  query = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<Events> {
  const abort = new AbortController();
  const response = await fetch(`${gateway.url}/v1/sessions/${id}/output?format=sse${query}`, {
    headers: { authorization: `Bearer ${gateway.token}`, ...headers },
    signal: abort.signal,
  });
  if (response.status !== 200) {
    const { error } = (await response.json()) as { error: { code: string } };
    throw Object.assign(new Error(error.code), { status: response.status, code: error.code });
  }
  return new Events(response, abort);
}
