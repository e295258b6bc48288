// `binnacle approve`: shows the approval requests of an agent and answers one, for scripts.

import { optionLabel, visibleLine } from '@binnacle/client';
import type { Approval, ApprovalOption } from '@binnacle/protocol';
import { approvalRows } from '../chat/format.ts';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { type Style, styleFor } from '../output/style.ts';
import { find } from './chat.ts';

/** Answers a request; without an option lists the pending requests. */
export async function approve(
  keyOrName: string,
  option: string | undefined,
  options: Options<'approve'>,
): Promise<number> {
  return await withClient(options, async (client) => {
    const { key, approvals } = await find(client, keyOrName);
    const pending = approvals.filter(({ id }) => options.request === undefined || id === options.request);
    if (option === undefined) {
      printApprovals(pending, options.json === true);
      return EXIT.ok;
    }
    const approval = theOnly(pending);
    const answer = await client.conversation(key).answer(approval.id, optionOf(approval, option).id);
    if (options.json === true) process.stdout.write(`${JSON.stringify({ id: approval.id, answer })}\n`);
    else process.stderr.write(`Answered ${visibleLine(answer.option)}: ${visibleLine(approval.title)}\n`);
    return EXIT.ok;
  });
}

function printApprovals(approvals: readonly Approval[], asJson: boolean): void {
  if (asJson) process.stdout.write(`${JSON.stringify({ approvals })}\n`);
  else if (approvals.length === 0) process.stderr.write('No request waits for approval.\n');
  else for (const approval of approvals) process.stdout.write(requestText(approval, styleFor(process.stdout)));
}

/** Formats the whole request: no person may agree to what was not shown. */
function requestText(approval: Approval, style: Style): string {
  const columns = process.stdout.isTTY ? Math.max(20, process.stdout.columns - 1) : Number.POSITIVE_INFINITY;
  const lines = [
    ...approvalRows({ ...approval, options: [] }, style, columns, Number.POSITIVE_INFINITY),
    `  request ${visibleLine(approval.id)}, answer with one of:`,
    ...approval.options.map((option) => `    ${visibleLine(option.id)}  ${style.dim(optionLabel(option))}`),
  ];
  return `${lines.join('\n')}\n`;
}

function theOnly(approvals: readonly Approval[]): Approval {
  const [only, ...others] = approvals;
  if (only === undefined) throw new Failure(EXIT.failed, 'No request waits for approval in this conversation.');
  if (others.length === 0) return only;
  const ids = approvals.map(({ id }) => visibleLine(id)).join(', ');
  throw usage(`${approvals.length} requests wait for approval.`, `Choose one with --request: ${ids}`);
}

/** Finds an option by its id, or by its kind (`allow_once`) if only one has that kind. */
function optionOf({ options }: Approval, idOrKind: string): ApprovalOption {
  const exact = options.find(({ id }) => id === idOrKind);
  const [only, ...others] = options.filter(({ kind }) => kind === idOrKind);
  const found = exact ?? (others.length === 0 ? only : undefined);
  if (found !== undefined) return found;
  throw usage(
    `The request has no option "${visibleLine(idOrKind)}".`,
    `Use one of: ${options.map(({ id }) => visibleLine(id)).join(', ')}`,
  );
}
