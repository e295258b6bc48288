// A single call of an offer of a plugin under test, through the gateway's own code: refusals are the same, with the
// same messages.

import { BinnacleError } from '@binnacle/protocol';
import {
  type BeforeHook,
  commandsOf,
  findPage,
  Hooks,
  type Log,
  methodOf,
  type Offer,
  type Offers,
  PluginTools,
  queryOf,
  responseOf,
  toolNameOf,
} from '@binnacle/server/plugin-host';
import { z } from 'zod';
import { usage } from '../output/failure.ts';

export const CALLED = ['tool', 'hook', 'command', 'job', 'route'] as const;

export interface TestCall {
  readonly kind: (typeof CALLED)[number];
  /** Name of the offer; for a route its method and path, such as `GET /tides/dover?day=1`. */
  readonly name: string;
  readonly input: unknown;
}

export interface CallTarget {
  readonly plugin: string;
  readonly offers: readonly Offer[];
  invoke(method: string, params: unknown, deadlineMs: number): Promise<unknown>;
  /** Reports a fault in a response, even if a gateway would continue. */
  fault(text: string): void;
}

const JOB_MS = 60_000;
const ROUTE_MS = 10_000;
const HOST = '127.0.0.1:7117';

const CommandInput = z.union([
  z.string().transform((args) => ({ args })),
  z.looseObject({ args: z.string().default('') }),
]);
const RouteInput = z.looseObject({
  headers: z.record(z.string(), z.string()).default({}),
  body: z.unknown().optional(),
  caller: z.string().optional(),
});

/** Calls the offer. Throws the gateway's errors, and a usage error for an unknown offer. */
export async function callOne(called: CallTarget, call: TestCall): Promise<unknown> {
  const { plugin } = called;
  const offers = offersOf(called);
  switch (call.kind) {
    case 'tool': {
      const name = toolNameOf(plugin, call.name);
      const tool = new PluginTools(offers).list().find((one) => one.name === name);
      if (tool === undefined) throw nothing(called, call);
      const { data, text } = await tool.run(tool.parse(call.input), { caller: 'test', via: 'mcp' });
      return data ?? text;
    }
    case 'hook':
      return await callHook(called, offers, call);
    case 'command': {
      const command = commandsOf(offers)().find(({ name }) => name === call.name.replace(/^\//, ''));
      if (command === undefined) throw nothing(called, call);
      const { args } = inputOf(CommandInput, call.input, '"the arguments"');
      const commandCall = { args, conversation: 'agent:main:main', by: 'test' };
      return await command.run(commandCall, new AbortController().signal);
    }
    case 'job': {
      const job = offers.inForce('job').find(({ offer }) => offer.name === call.name);
      if (job === undefined) throw nothing(called, call);
      await job.invoke({}, JOB_MS);
      return 'done';
    }
    case 'route':
      return await callRoute(called, offers, call);
  }
}

async function callHook(called: CallTarget, offers: Offers, call: TestCall): Promise<unknown> {
  const hook = offers.inForce('hook').find(({ offer }) => offer.on === call.name);
  if (hook === undefined) throw nothing(called, call);
  const { on, deadlineMs } = hook.offer;
  const event = inputOf(z.looseObject({}), call.input, '{"text": "hi"}');
  if (!on.startsWith('before')) {
    await hook.invoke(event, deadlineMs);
    return 'done';
  }
  // A hook failure that the gateway would survive only goes to the log, so it is captured there.
  const logError = ({ err }: { readonly err?: unknown }): void =>
    called.fault(err instanceof Error ? err.message : String(err));
  try {
    await new Hooks(offers, { warn: logError, error: logError } as Log).request(on as BeforeHook, event);
    return { veto: null };
  } catch (error) {
    if (!(error instanceof BinnacleError) || error.code !== 'vetoed') throw error;
    return { veto: error.details?.reason };
  }
}

async function callRoute(called: CallTarget, offers: Offers, call: TestCall): Promise<unknown> {
  const [method = '', target = ''] = call.name.split(' ', 2);
  const [path = ''] = target.split('?', 1);
  const found = findPage(offers.inForce('route'), method.toUpperCase(), path);
  if (found === undefined) throw nothing(called, call);
  const { offer, invoke } = found.page;
  const { headers, body, caller } = inputOf(RouteInput, call.input, '{"headers": {}, "body": "text"}');
  const bytes = Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  const answer = await invoke(
    {
      method: offer.method,
      path,
      params: found.params,
      query: queryOf(target),
      headers,
      body: bytes.toString('base64'),
      caller: offer.isPublic ? null : (caller ?? 'test'),
    },
    ROUTE_MS,
  );
  const at = {
    plugin: called.plugin,
    base: `http://${HOST}`,
    path: `/plugins/${called.plugin}${path}`,
    isPublic: offer.isPublic,
  };
  const response = responseOf(answer, at);
  return { ...response, body: Buffer.from(response.body ?? '').toString() };
}

/** Returns all offers as if all were granted: missing requests are reported elsewhere. */
function offersOf({ plugin, offers, invoke, fault }: CallTarget): Offers {
  return {
    inForce: (kind) =>
      offers.flatMap((offer) => {
        if (offer.kind !== kind) return [];
        const one = {
          plugin,
          offer: offer as Extract<Offer, { readonly kind: typeof kind }>,
          invoke: (params: unknown, deadlineMs: number) => invoke(methodOf(offer), params, deadlineMs),
          invokeOther: invoke,
          note: fault,
        };
        return [one];
      }),
    onChange: () => () => undefined,
  };
}

function inputOf<Shape extends z.ZodType>(shape: Shape, input: unknown, example: string): z.output<Shape> {
  const read = shape.safeParse(input);
  if (read.success) return read.data;
  throw usage('The value of --input has the wrong shape.', `For example: --input '${example}'`);
}

function nothing({ offers }: CallTarget, { kind, name }: TestCall): Error {
  const all = offers.filter((offer) => offer.kind === kind).map((offer) => methodOf(offer).slice(kind.length + 1));
  return usage(`The plugin has no ${kind} "${name}".`, `The plugin has: ${all.join(', ') || 'none'}`);
}
