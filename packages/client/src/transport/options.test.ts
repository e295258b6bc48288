import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type ClientOptions, settle, socketUrl, type WebSocketClass, type WebSocketLike } from './options.ts';

describe('options', () => {
  it('keep a path before /v1, and speak TLS where the address does', () => {
    const { base } = settle({ url: 'https://host.example:8443/binnacle/?x#y' });
    expect(base).toBe('https://host.example:8443/binnacle');
    expect(socketUrl(base)).toBe('wss://host.example:8443/binnacle/v1/ws');
    expect(socketUrl(settle({ url: 'http://127.0.0.1:1/' }).base)).toBe('ws://127.0.0.1:1/v1/ws');
  });

  it.each(['ftp://x/', 'javascript:alert(1)', 'ws://x/'])('refuse %s', (url) => {
    expect(() => settle({ url })).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  it('put the token into the header, or the key of a login as it is now', () => {
    expect(settle({ url: 'http://x', token: 't' }).headers).toEqual({ Authorization: 'Bearer t' });
    const settings = settle({ url: 'http://x' });
    expect(settings.headers).toEqual({});
    settings.key.set('k');
    expect(settings.headers).toEqual({ 'Binnacle-Key': 'k' });
    settings.key.set(undefined);
    expect(settings.headers).toEqual({});
  });

  it('take the classes of ws and of browsers as they are', () => {
    const ofWs: WebSocketClass = WebSocket;
    const ofBrowsers = (): WebSocketClass => globalThis.WebSocket;
    const options: ClientOptions[] = [{ url: 'http://x', WebSocket: ofWs }];
    const made = (socket: WebSocket | globalThis.WebSocket): WebSocketLike => socket;
    expect([options, ofBrowsers, made]).toBeDefined();
  });

  it('give a token to sockets as a header, the key of a login as a subprotocol, and nothing where there is neither', () => {
    const calls: unknown[][] = [];
    class Recorder {
      constructor(...args: unknown[]) {
        calls.push(args);
      }
    }
    const RecorderClass = Recorder as unknown as WebSocketClass;
    settle({ url: 'http://x', WebSocket: RecorderClass }).makeSocket('ws://x/v1/ws', {});
    settle({ url: 'http://x', WebSocket: RecorderClass }).makeSocket('ws://x/v1/ws', { 'Binnacle-Key': 'k' });
    settle({ url: 'http://x', WebSocket: RecorderClass }).makeSocket('ws://x/v1/ws', { Authorization: 'Bearer t' });
    expect(calls).toEqual([
      ['ws://x/v1/ws'],
      ['ws://x/v1/ws', ['binnacle', 'binnacle.key.k']],
      ['ws://x/v1/ws', { headers: { Authorization: 'Bearer t' } }],
    ]);
  });
});
