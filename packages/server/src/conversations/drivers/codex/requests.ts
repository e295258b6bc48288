// The approval requests of Codex, and the answer on the wire for each option.

import { type ApprovalOption, defined, shellWord, type ToolCall } from '@binnacle/protocol';
import type { z } from 'zod';
import { rowOf, withSchema } from '../agent-json.ts';
import { changeText, cutText, MAX_LABEL, paragraphs } from '../tool-text.ts';
import { commandHead } from './items.ts';
import { CommandApproval, Elicitation, FileApproval, PermissionsApproval } from './messages.ts';

export interface CodexQuestion {
  readonly title: string;
  /** All of the request; undefined if it is no longer known, in which case nobody can approve it. */
  readonly detail: string | undefined;
  readonly tool?: string;
  readonly choices: readonly CodexChoice[];
}

export interface CodexChoice {
  readonly option: ApprovalOption;
  /** The `result` of the answer. */
  readonly result: object;
}

const option = (id: string, kind: ApprovalOption['kind'], label: string): ApprovalOption => ({ id, kind, label });
const YES = option('accept', 'allow_once', 'Allow');
const NO = option('decline', 'deny_once', 'Deny');

/** Returns the running call with an id, whose changes a request is about. */
type RunningCall = (tool: string) => ToolCall | undefined;

/**
 * Converts a request; undefined for an unsupported one, which is answered with an error, so that Codex continues
 * without it.
 */
export function questionOf(method: string, params: unknown, running: RunningCall): CodexQuestion | undefined {
  return rowOf(QUESTIONS, method)?.(params, params, running);
}

const about = (tool: string | undefined): { readonly tool?: string } => defined({ tool });
const titled = (title: string): string => cutText(title, MAX_LABEL);

/**
 * Returns the options without long labels. Of two with the same id the first counts: the option on the screen must be
 * the one that is executed.
 */
const offered = (choices: readonly CodexChoice[]): CodexChoice[] =>
  choices.filter(
    ({ option: { id, label } }, at) =>
      label.length <= MAX_LABEL && choices.findIndex(({ option }) => option.id === id) === at,
  );

/** Fields of every request that do not matter for a decision. */
const NO_MATTER = new Set(['threadId', 'turnId', 'itemId', 'approvalId', 'elicitationId', 'startedAtMs', 'serverName']);

/**
 * Formats the other fields of a request, including those of later versions, as JSON. `shown`: fields that are already
 * shown.
 */
function rest(params: unknown, shown: readonly string[]): string {
  if (typeof params !== 'object' || params === null) return '';
  const others = Object.entries(params).filter(
    ([key, value]) => value !== null && !NO_MATTER.has(key) && !shown.includes(key),
  );
  return others.length === 0 ? '' : JSON.stringify(Object.fromEntries(others), null, 2);
}

/**
 * Fields that are shown in other ways. `commandActions` and `proposed…` are Codex's interpretation of the command; the
 * latter are offered as options.
 */
const OF_COMMANDS = [
  'command',
  'cwd',
  'reason',
  'availableDecisions',
  'commandActions',
  'proposedExecpolicyAmendment',
  'proposedNetworkPolicyAmendments',
];
/** Fields with the value of nearly every command, which need not be shown. */
const USUAL: Readonly<Record<string, unknown>> = { kind: 'command', environmentId: 'local' };

function command(request: z.output<typeof CommandApproval>, params: unknown): CodexQuestion {
  const { kind, itemId, reason, command = '', cwd, commandActions = [], availableDecisions } = request;
  const decisions = availableDecisions ?? ['accept', 'acceptForSession'];
  const usual = Object.entries(USUAL).filter(([key, value]) => Reflect.get(Object(params), key) === value);
  return {
    title: titled(kind === 'writeStdin' ? 'Write to a running command' : commandHead(command, commandActions).title),
    detail: paragraphs(
      command,
      cwd === undefined ? undefined : `in ${cwd}`,
      reason,
      rest(params, [...OF_COMMANDS, ...usual.map(([key]) => key)]),
    ),
    ...about(itemId),
    // Codex lists `cancel`, which also ends the turn, but accepts `decline`, after which the turn continues.
    choices: offered([
      ...decisions.flatMap((decision) => commandChoice(decision)),
      { option: NO, result: { decision: 'decline' } },
    ]),
  };
}

function commandChoice(decision: string | Readonly<Record<string, unknown>>): CodexChoice[] {
  if (decision === 'accept') return [{ option: YES, result: { decision } }];
  if (decision === 'acceptForSession') {
    return [
      { option: option('acceptForSession', 'allow_always', 'Allow for this conversation'), result: { decision } },
    ];
  }
  if (typeof decision === 'string') return [];
  if ('acceptWithExecpolicyAmendment' in decision) {
    const label = `Always allow ${prefixOf(decision.acceptWithExecpolicyAmendment)}`;
    return [{ option: option('acceptAlways', 'allow_always', label), result: { decision } }];
  }
  if ('applyNetworkPolicyAmendment' in decision) {
    const { id, kind, label } = networkOf(decision.applyNetworkPolicyAmendment);
    return [{ option: option(id, kind, label), result: { decision } }];
  }
  return [];
}

function prefixOf(amendment: unknown): string {
  const prefix =
    typeof amendment === 'object' && amendment !== null && 'execpolicy_amendment' in amendment
      ? amendment.execpolicy_amendment
      : undefined;
  return Array.isArray(prefix)
    ? `commands that begin with: ${prefix.map(String).map(shellWord).join(' ')}`
    : `what it says: ${JSON.stringify(amendment)}`;
}

function networkOf(amendment: unknown): { id: string; kind: ApprovalOption['kind']; label: string } {
  const inner =
    typeof amendment === 'object' && amendment !== null && 'network_policy_amendment' in amendment
      ? amendment.network_policy_amendment
      : undefined;
  const { host, action } = (typeof inner === 'object' ? inner : {}) as { host?: unknown; action?: unknown };
  const name = typeof host === 'string' ? host : JSON.stringify(amendment);
  return action === 'deny'
    ? { id: `denyHost:${name}`, kind: 'deny_always', label: `Never allow ${name}` }
    : { id: `allowHost:${name}`, kind: 'allow_always', label: `Always allow ${name}` };
}

function files(
  { itemId, reason, grantRoot }: z.output<typeof FileApproval>,
  params: unknown,
  running: RunningCall,
): CodexQuestion {
  const call = itemId === undefined ? undefined : running(itemId);
  const changes = call?.diffs?.map(changeText);
  return {
    title: titled(call?.title ?? 'Change files'),
    detail:
      changes === undefined
        ? undefined
        : paragraphs(
            call?.title,
            ...changes,
            reason,
            grantRoot === undefined ? undefined : `and write below ${grantRoot}`,
            rest(params, ['reason', 'grantRoot']),
          ),
    ...about(itemId),
    choices: [
      { option: YES, result: { decision: 'accept' } },
      {
        option: option('acceptForSession', 'allow_always', 'Allow for this conversation'),
        result: { decision: 'acceptForSession' },
      },
      { option: NO, result: { decision: 'decline' } },
    ],
  };
}

function permissions(
  { itemId, reason, permissions }: z.output<typeof PermissionsApproval>,
  params: unknown,
): CodexQuestion {
  // Null means that this permission is not requested; in the answer it must be absent.
  const requested = Object.fromEntries(Object.entries(permissions).filter(([, value]) => value !== null));
  return {
    title: 'More permissions',
    detail: paragraphs(reason, JSON.stringify(requested, null, 2), rest(params, ['reason', 'permissions'])),
    ...about(itemId),
    choices: [
      { option: YES, result: { permissions: requested, scope: 'turn' } },
      {
        option: option('acceptForSession', 'allow_always', 'Allow for this conversation'),
        result: { permissions: requested, scope: 'session' },
      },
      { option: NO, result: { permissions: {}, scope: 'turn' } },
    ],
  };
}

/** Converts an elicitation that can be answered with yes or no. A form with required fields is declined by an error. */
function elicitation(request: z.output<typeof Elicitation>, params: unknown): CodexQuestion | undefined {
  const { serverName, mode, message, url, requestedSchema } = request;
  if (mode !== 'url' && (requestedSchema?.required ?? []).length > 0) return undefined;
  // A form without fields does not matter for the decision.
  const isEmpty = Object.keys(Object(requestedSchema?.properties)).length === 0;
  return {
    title: titled(`${serverName} asks`),
    detail: paragraphs(message, url, rest(params, ['message', 'url', 'mode', ...(isEmpty ? ['requestedSchema'] : [])])),
    choices: [
      { option: YES, result: { action: 'accept', content: mode === 'url' ? null : {}, _meta: null } },
      { option: NO, result: { action: 'decline', content: null, _meta: null } },
    ],
  };
}

/** The requests that a person can decide about. `params`: with the fields that the schema does not know. */
const QUESTIONS: Readonly<
  Record<string, (request: unknown, params: unknown, running: RunningCall) => CodexQuestion | undefined>
> = {
  'item/commandExecution/requestApproval': withSchema(CommandApproval, command),
  'item/fileChange/requestApproval': withSchema(FileApproval, files),
  'item/permissions/requestApproval': withSchema(PermissionsApproval, permissions),
  'mcpServer/elicitation/request': withSchema(Elicitation, elicitation),
};
