// Schemas of the output of `claude -p --output-format stream-json`: the edge of the driver, limited to the fields in
// use. Anthropic publishes no schema; the facts are from version 2.1.197.

import { z } from 'zod';
import { MAX_COST_USD } from '../../../store/usage.ts';
import { KnownId, lenient, ReturnedId } from '../agent-json.ts';

/** Id of a session or request, which must be returned unchanged. */
const Id = ReturnedId.min(1);

export const ClaudeLine = z.looseObject({ type: z.string() });

export const SystemLine = z.object({
  subtype: lenient(z.string()),
  session_id: lenient(Id),
  status: z.unknown().optional(),
});

/** Output of a sub-agent: id of the call that started it. */
const OfSubAgent = { parent_tool_use_id: lenient(z.string()) };

/** Line `system`, `api_retry`: a request to the model failed and is retried. */
export const ApiRetry = z.object({
  attempt: z.int().min(1),
  max_retries: lenient(z.int().min(1)),
  retry_delay_ms: lenient(z.number().min(0)),
  error: lenient(z.string().min(1)),
  error_status: lenient(z.int()),
});

const Block = z.looseObject({ type: z.string() });

/** A raw event of the Messages API. */
export const StreamEvent = z.object({
  ...OfSubAgent,
  event: z.object({
    type: z.string(),
    content_block: lenient(Block),
    delta: lenient(z.object({ type: lenient(z.string()), text: lenient(z.string()), thinking: lenient(z.string()) })),
  }),
});

export const AssistantLine = z.object({
  ...OfSubAgent,
  message: z.object({ model: lenient(z.string()), content: lenient(z.array(Block)) }),
});
export const UserLine = z.object({
  message: z.object({ content: z.unknown() }),
  uuid: lenient(z.string()),
  isReplay: lenient(z.boolean()),
});
export const Blocks = z.array(Block);

export const ClaudeToolUse = z.object({ id: KnownId, name: z.string(), input: z.unknown() });
export const ToolResult = z.object({ tool_use_id: KnownId, content: z.unknown(), is_error: lenient(z.boolean()) });
export const TextBlock = z.object({ text: z.string() });

export const ClaudeResult = z.object({
  subtype: lenient(z.string()),
  is_error: lenient(z.boolean()),
  result: lenient(z.string()),
  errors: lenient(z.array(z.string())),
  stop_reason: lenient(z.string()),
  /** Cost of the process since its start. */
  total_cost_usd: lenient(z.number().min(0).max(MAX_COST_USD)),
  usage: lenient(
    z.object({
      input_tokens: lenient(z.number()),
      cache_creation_input_tokens: lenient(z.number()),
      cache_read_input_tokens: lenient(z.number()),
      output_tokens: lenient(z.number()),
    }),
  ),
});
export type ClaudeResult = z.output<typeof ClaudeResult>;

export const ControlRequest = z.object({ request_id: Id, request: z.looseObject({ subtype: z.string() }) });
export const ClaudeCancelRequest = z.object({ request_id: Id });
export const CanUseTool = z.object({
  tool_name: z.string(),
  input: z.record(z.string(), z.unknown()),
  description: lenient(z.string()),
  blocked_path: lenient(z.string()),
  decision_reason: lenient(z.string()),
  tool_use_id: lenient(KnownId),
  permission_suggestions: lenient(z.array(z.looseObject({ type: z.string() }))),
});
export type CanUseTool = z.output<typeof CanUseTool>;
export const ControlResponse = z.object({
  response: z.object({
    subtype: z.string(),
    request_id: Id,
    response: z.unknown().optional(),
  }),
});
export const ControlAnswer = z.object({ cancelled: lenient(z.boolean()) });
