import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { httpFetch } from './http-fetch.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('sends what the global fetch sends, and answers as it does', async () => {
  const url = await serve((request, response) => {
    let body = '';
    request.on('data', (bytes) => {
      body += String(bytes);
    });
    request.on('end', () => {
      response.writeHead(body === '' ? 404 : 201, { 'Binnacle-Next-Offset': '7' });
      response.end(JSON.stringify([request.method, request.url, request.headers.authorization, body]));
    });
  });
  const post = { method: 'POST', headers: { Authorization: 'Bearer x' }, body: '{"text":"漢"}' };
  for (const ask of [httpFetch, fetch]) {
    const answer = await ask(`${url}/v1?a=%20b`, post);
    expect([answer.ok, answer.status, answer.headers.get('binnacle-next-offset')]).toEqual([true, 201, '7']);
    expect(answer.headers.get('no')).toBeNull();
    expect(await answer.json()).toEqual(['POST', '/v1?a=%20b', 'Bearer x', '{"text":"漢"}']);
    const refused = await ask(url);
    expect([refused.ok, refused.status]).toEqual([false, 404]);
    expect(Buffer.from(await refused.arrayBuffer()).toString()).toBe('["GET","/",null,""]');
  }
});

it('reads an answer that streams as it comes', async () => {
  let end = (): void => undefined;
  const url = await serve((_, response) => {
    response.write('one');
    end = () => void response.end('two');
  });
  const { body } = await httpFetch(url);
  const reader = body?.getReader();
  expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe('one');
  end();
  expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe('two');
  expect((await reader?.read())?.done).toBe(true);
});

it('follows a redirect, and sends a body of bytes', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/old') response.writeHead(307, { Location: '/new' }).end();
    else request.pipe(response);
  });
  expect(await (await httpFetch(`${url}/old`, { method: 'POST', body: 'moved' })).text()).toBe('moved');
  expect(await (await httpFetch(url, { method: 'POST', body: Uint8Array.of(104, 105) })).text()).toBe('hi');
});

it('fails as the global fetch: with the code of the system call, at its signal, and where the answer is cut off', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/reset') request.socket.resetAndDestroy();
    else response.write('beginning');
    if (request.url === '/cut') setImmediate(() => response.destroy());
  });
  const unused = createServer().listen(0, '127.0.0.1');
  await once(unused, 'listening');
  const nobody = `http://127.0.0.1:${(unused.address() as AddressInfo).port}`;
  unused.close();
  const outcome = (act: Promise<unknown>) =>
    act.then(
      () => 'done',
      (error: Error) => {
        const { code } = (error.cause ?? {}) as { code?: string };
        // The global fetch has codes of its own for what the other side closes.
        return [error.name, error.message, code?.replace(/^UND_ERR_SOCKET$/, 'ECONNRESET')];
      },
    );
  const found = [];
  for (const ask of [httpFetch, fetch]) {
    const abort = new AbortController();
    const answer = await ask(url, { signal: abort.signal });
    abort.abort(new DOMException('enough', 'AbortError'));
    const gone = AbortSignal.abort(new DOMException('before', 'AbortError'));
    found.push({
      aborted: (await outcome(answer.text()))[0],
      before: await outcome(ask(url, { signal: gone })),
      cut: await outcome((await ask(`${url}/cut`)).text()),
      cutStream: await outcome((await ask(`${url}/cut`)).body?.pipeTo(new WritableStream()) ?? Promise.resolve()),
      reset: await outcome(ask(`${url}/reset`)),
      refused: await outcome(ask(nobody)),
    });
  }
  expect(found[0]).toEqual(found[1]);
  expect(found[0]).toMatchObject({
    cut: ['TypeError', 'terminated', 'ECONNRESET'],
    refused: ['TypeError', 'fetch failed', 'ECONNREFUSED'],
  });
});
