// Schemas of the messages from an ACP agent: the edge of the driver. The schema of ACP marks most fields "default on
// error": an invalid field counts as absent, and the rest of the message is valid. Null means the same.

import { z } from 'zod';
import { MAX_COST_USD, MAX_USAGE_TOKENS } from '../../../store/usage.ts';
import { KnownId, lenient, ReturnedId } from '../agent-json.ts';
import { RpcId } from '../json-rpc.ts';

/** An optional list without its invalid items. */
const lenientList = <T extends z.ZodType>(schema: T) =>
  lenient(
    z.array(z.unknown()).transform((items) =>
      items.flatMap((item) => {
        const read = schema.safeParse(item);
        return read.success ? [read.data as z.output<T>] : [];
      }),
    ),
  );

/** The displayable parts of the five kinds of blocks; a block of an unknown kind has none. */
export const ContentBlock = z.object({
  type: z.string(),
  text: lenient(z.string()),
  mimeType: lenient(z.string()),
  data: lenient(z.string()),
  uri: lenient(z.string()),
  name: lenient(z.string()),
  resource: lenient(z.object({ uri: lenient(z.string()), text: lenient(z.string()) })),
});
export type ContentBlock = z.output<typeof ContentBlock>;

const ToolContent = z.union([
  z.object({ type: z.literal('content'), content: ContentBlock }),
  z.object({ type: z.literal('diff'), path: z.string(), oldText: lenient(z.string()), newText: z.string() }),
  z.object({ type: z.literal('terminal'), terminalId: z.string() }),
]);

export const ToolUpdate = z.object({
  toolCallId: KnownId,
  title: lenient(z.string()),
  kind: lenient(z.string()),
  status: lenient(z.string()),
  content: lenientList(ToolContent),
  locations: lenientList(z.object({ path: z.string() })),
  rawInput: z.unknown().optional(),
  rawOutput: z.unknown().optional(),
});
export type ToolUpdate = z.output<typeof ToolUpdate>;

export const Chunk = z.object({ content: ContentBlock, messageId: lenient(KnownId) });
export const Plan = z.object({
  entries: lenientList(z.object({ content: z.string(), priority: lenient(z.string()), status: lenient(z.string()) })),
});
export const ModeUpdate = z.object({ currentModeId: z.string() });
const Tokens = lenient(z.number().min(0).max(MAX_USAGE_TOKENS));
export const UsageUpdate = z.object({
  used: Tokens,
  size: Tokens,
  cost: lenient(z.object({ amount: z.number().min(0).max(MAX_COST_USD), currency: z.string() })),
});
export const SessionInfoUpdate = z.object({ title: lenient(z.string()) });
export const Notice = z.object({
  severity: lenient(z.string()),
  title: z.string(),
  description: lenient(z.string()),
});
export const Compaction = z.object({ status: z.string(), error: lenient(z.string()) });

export const SessionUpdate = z.object({
  sessionId: z.string(),
  update: z.looseObject({ sessionUpdate: z.string() }),
});

/** A capability: an empty object or true, which both mean that the agent has it. */
const able = z
  .unknown()
  .optional()
  .transform((value) => value === true || (typeof value === 'object' && value !== null));

export const Initialized = z.object({
  protocolVersion: z.number(),
  agentCapabilities: lenient(z.object({ loadSession: able, sessionCapabilities: lenient(z.object({ resume: able })) })),
  authMethods: lenientList(z.object({ name: z.string(), description: lenient(z.string()) })),
});

export const OpenedSession = z.object({
  sessionId: lenient(ReturnedId.min(1)),
  configOptions: lenientList(
    z.object({ id: ReturnedId, category: lenient(z.string()), currentValue: z.unknown().optional() }),
  ),
});

export const Prompted = z.object({
  stopReason: z.string(),
  usage: lenient(z.object({ inputTokens: Tokens, outputTokens: Tokens })),
});

export const PermissionRequest = z.object({
  toolCall: ToolUpdate,
  options: z.array(z.object({ optionId: ReturnedId.min(1), name: z.string(), kind: z.string() })),
});

export const CreateTerminal = z.object({
  command: z.string().min(1),
  args: lenient(z.array(z.string())),
  env: lenient(z.array(z.object({ name: z.string(), value: z.string() }))),
  cwd: lenient(z.string()),
  outputByteLimit: lenient(z.number().int().min(0)),
});
export const OfTerminal = z.object({ terminalId: z.string() });
export const AcpCancelRequest = z.object({ requestId: RpcId });
