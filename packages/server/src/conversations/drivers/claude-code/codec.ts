// The lines of stream-json as messages: control requests are calls, and every other line is a notification.

import { readAgentJson } from '../agent-json.ts';
import type { RpcCodec, RpcId, RpcMessage } from '../json-rpc.ts';
import { ClaudeLine, ControlRequest, ControlResponse } from './messages.ts';
import { CONTROL_ID } from './state.ts';

export const streamJson: RpcCodec = {
  read,
  call: (id, subtype, params) => ({
    type: 'control_request',
    request_id: `${CONTROL_ID}${id}`,
    request: { subtype, ...params },
  }),
  notification: (type, params) => ({ type, ...params }),
  result: (request_id, response) => controlResponse({ subtype: 'success', request_id, response }),
  error: (request_id, { message }) => controlResponse({ subtype: 'error', request_id, error: message }),
};

const controlResponse = (response: object): object => ({ type: 'control_response', response });

function read(text: string): RpcMessage | null {
  const json = readAgentJson(text);
  const line = ClaudeLine.safeParse(json?.value);
  if (!line.success) return null;
  const { type } = line.data;
  if (type === 'control_request') {
    const { data } = ControlRequest.safeParse(line.data);
    const isWhole = json?.isWhole === true;
    if (data !== undefined) {
      return { kind: 'request', id: data.request_id, method: data.request.subtype, params: data.request, isWhole };
    }
  }
  if (type === 'control_response') {
    const { data } = ControlResponse.safeParse(line.data);
    if (data !== undefined)
      return { kind: 'result', id: callOf(data.response.request_id), result: data.response.response };
  }
  return { kind: 'notification', method: type, params: line.data };
}

/** Returns the id of a call. The process also repeats the answers of the link, which have ids of the process. */
function callOf(id: string): RpcId {
  const number = id.startsWith(CONTROL_ID) ? Number(id.slice(CONTROL_ID.length)) : Number.NaN;
  return Number.isSafeInteger(number) ? number : id;
}
