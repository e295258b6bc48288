import { createElement, type ReactElement } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Binnacle, connect } from '../client.ts';
import {
  BinnacleProvider,
  SessionLog,
  SessionTerminal,
  useBinnacle,
  useConversation,
  useSession,
  useSessions,
  useTraffic,
} from './index.ts';

const ID = '018f0000-0000-7000-8000-000000000000';
let client: Binnacle;
let requests: number;
beforeEach(() => {
  requests = 0;
  const count = (): never => {
    requests += 1;
    throw new Error('A server asks nothing.');
  };
  client = connect({ url: 'http://127.0.0.1:1', fetch: count, makeSocket: count });
});
afterEach(() => client.close());

const render = (element: ReactElement): string => renderToString(createElement(BinnacleProvider, { client }, element));

it('on a server both components render that they are connecting, and send no request', () => {
  const log = render(createElement(SessionLog, { id: ID }));
  expect(log).toContain('Connecting…');
  expect(log).toContain('role="status"');
  const terminal = render(createElement(SessionTerminal, { id: ID, label: 'The build' }));
  expect(terminal).toContain('Connecting…');
  expect(terminal).toContain('aria-label="The build"');
  expect(requests).toBe(0);
  expect(client.state.kind).toBe('idle');
});

it('on a server each hook says that it is connecting, with nothing in it', () => {
  const All = () => {
    const session = useSession(ID);
    const list = useSessions({ running: true });
    const talk = useConversation('agent:main:main');
    const traffic = useTraffic({ source: 'ci' });
    expect(useBinnacle()).toBe(client);
    return createElement(
      'p',
      null,
      [session.state, list.state, talk.state, traffic.state].join(' '),
      ` ${session.chunks.length + list.sessions.length + talk.turns.length + traffic.events.length}`,
    );
  };
  expect(render(createElement(All))).toContain('connecting connecting connecting connecting<!-- --> 0');
  expect(requests).toBe(0);
});

it('a hook without a provider above says what is missing', () => {
  const Lost = () => createElement('p', null, useSession(ID).state);
  expect(() => renderToString(createElement(Lost))).toThrow('There is no <BinnacleProvider> above this component.');
});
