// A viewer of /ws/pty-traffic for tests, and what its messages amount to.

import type { PtyEvent, SessionInfo } from '@binnacle/protocol';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { type Frame, type Frames, openFrames } from '../support/wire.ts';

export const openTraffic = async (gateway: GatewayAccess, token = gateway.token): Promise<Frames> => {
  const frames = await openFrames(`${gateway.url}/ws/pty-traffic`, token);
  await frames.next(({ type }) => type === 'connected');
  return frames;
};

export const eventsOf = (frames: Frames, id = 'default'): PtyEvent[] =>
  frames.all.filter((frame: Frame) => frame.type === 'pty_event' && frame.id === id).map(({ event }) => event);

export const textOf = (events: readonly PtyEvent[], session?: string): string =>
  events
    .filter((event) => session === undefined || event.session === session)
    .map(({ response }) => response ?? '')
    .join('');

export const bytesOf = (events: readonly PtyEvent[]): Buffer =>
  Buffer.concat(events.map(({ response_base64 }) => Buffer.from(response_base64 ?? '', 'base64')));

export const isFinal = (frame: Frame, session?: string): boolean =>
  frame.type === 'pty_event' && frame.event.is_final && (session === undefined || frame.event.session === session);

/** All of a session up to its end, on a socket of its own. */
export async function readAll(gateway: GatewayAccess, subscribe: object): Promise<PtyEvent[]> {
  const frames = await openTraffic(gateway);
  try {
    frames.send({ type: 'subscribe', ...subscribe });
    await frames.next((frame) => isFinal(frame) || frame.type === 'error');
    const error = frames.all.find(({ type }) => type === 'error');
    if (error !== undefined) throw Object.assign(new Error(error.error.message), error.error);
    return eventsOf(frames);
  } finally {
    frames.ws.terminate();
  }
}

export const rawOutput = async (gateway: GatewayAccess, id: string): Promise<Buffer> =>
  Buffer.from(await (await gateway.fetch(`/v1/sessions/${id}/output`)).arrayBuffer());

export async function startSession(gateway: GatewayAccess, spec: object): Promise<SessionInfo> {
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch('/v1/sessions', { method: 'POST', headers, body: JSON.stringify(spec) });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as SessionInfo;
}

/** Resolves when its log is closed. */
export const ended = async (gateway: GatewayAccess, id: string): Promise<void> => {
  await (await gateway.fetch(`/v1/sessions/${id}/output?follow=1&since=0`)).arrayBuffer();
};

export async function write(gateway: GatewayAccess, id: string, input: string): Promise<void> {
  await gateway.fetch(`/v1/sessions/${id}/input`, { method: 'POST', body: input });
}
