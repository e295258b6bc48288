// Schemas of the messages from `codex app-server`: the edge of the driver, limited to the fields in use. Based on the
// schema that codex-cli 0.169.0 writes with `codex app-server generate-json-schema`.

import { z } from 'zod';
import { KnownId, lenient, ReturnedId } from '../agent-json.ts';

/** Id of a thread or turn, which must be returned unchanged. */
const Id = ReturnedId.min(1);

/** The thread of a notification: sub-agents have threads of their own. */
export const OfThread = z.object({ threadId: lenient(z.string()) });

export const ThreadOpened = z.object({ thread: z.object({ id: Id }) });

const TurnError = z.object({
  message: z.string(),
  codexErrorInfo: z.unknown().optional(),
  additionalDetails: lenient(z.string()),
});
export type TurnError = z.output<typeof TurnError>;
export const OfTurn = z.object({
  turn: z.object({ id: Id, status: z.string(), error: lenient(TurnError) }),
});
export const ErrorNotification = z.object({ error: TurnError, willRetry: lenient(z.boolean()) });

/** A delta of an item. */
export const Delta = z.object({ itemId: KnownId, delta: z.string() });
export const SummaryPart = z.object({ itemId: KnownId, summaryIndex: z.number() });

const CodexFileChange = z.object({
  path: z.string(),
  kind: z.object({ type: z.string(), move_path: lenient(z.string()) }),
  /** Text of a new or deleted file; for other changes hunks of a unified diff. */
  diff: z.string(),
});
export type CodexFileChange = z.output<typeof CodexFileChange>;

const CommandAction = z.object({ type: z.string(), command: lenient(z.string()) });
export type CommandAction = z.output<typeof CommandAction>;

export const CommandItem = z.object({
  id: KnownId,
  command: z.string(),
  cwd: lenient(z.string()),
  status: z.string(),
  commandActions: lenient(z.array(CommandAction)),
  aggregatedOutput: lenient(z.string()),
  exitCode: lenient(z.number()),
});
export const FileItem = z.object({ id: KnownId, changes: z.array(CodexFileChange), status: z.string() });
export const McpItem = z.object({
  id: KnownId,
  server: z.string(),
  tool: z.string(),
  status: z.string(),
  arguments: z.unknown().optional(),
  result: lenient(z.object({ content: lenient(z.array(z.unknown())) })),
  error: lenient(z.object({ message: z.string() })),
});
export const DynamicItem = z.object({
  id: KnownId,
  tool: z.string(),
  status: z.string(),
  arguments: z.unknown().optional(),
  contentItems: lenient(z.array(z.unknown())),
});
export const CollabItem = z.object({ id: KnownId, tool: z.string(), status: z.string(), prompt: lenient(z.string()) });
export const SearchItem = z.object({ id: KnownId, query: z.string() });
export const ImageItem = z.object({ id: KnownId, path: z.string() });
export const MessageItem = z.object({ id: KnownId, text: z.string() });
export const UserItem = z.object({ id: KnownId, clientId: lenient(z.string()) });
export const ItemNotification = z.object({ item: z.looseObject({ type: z.string() }) });

export const PlanNotification = z.object({
  explanation: lenient(z.string()),
  plan: z.array(z.object({ step: z.string(), status: z.string() })),
});

const Tokens = z.object({ inputTokens: z.number(), outputTokens: z.number() });
export const UsageNotification = z.object({ tokenUsage: z.object({ total: Tokens, last: Tokens }) });
export const WarningNotification = z.object({ message: z.string() });
export const Resolved = z.object({ requestId: z.union([z.number(), z.string()]) });

/** The answer for one option of a request. Some answers contain a rule to remember. */
const Decision = z.union([z.string().max(100), z.record(z.string(), z.unknown())]);
export const CommandApproval = z.object({
  kind: lenient(z.string()),
  itemId: lenient(KnownId),
  reason: lenient(z.string()),
  command: lenient(z.string()),
  cwd: lenient(z.string()),
  commandActions: lenient(z.array(CommandAction)),
  /** Absent from every schema, but on the wire since 0.169.0. */
  availableDecisions: lenient(z.array(Decision)),
});
export const FileApproval = z.object({
  itemId: lenient(KnownId),
  reason: lenient(z.string()),
  grantRoot: lenient(z.string()),
});
export const PermissionsApproval = z.object({
  itemId: lenient(KnownId),
  reason: lenient(z.string()),
  permissions: z.record(z.string(), z.unknown()),
});
/** An elicitation. Codex also uses it to request the approval of an MCP tool call. */
export const Elicitation = z.object({
  serverName: z.string(),
  mode: z.string(),
  message: z.string(),
  url: lenient(z.string()),
  requestedSchema: lenient(z.looseObject({ required: lenient(z.array(z.string())) })),
});
