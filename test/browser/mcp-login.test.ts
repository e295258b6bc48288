// A program that knows nothing but the address connects and logs in: the official client of the protocol, with its own
// OAuth, and a person who clicks through the page in a real browser.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Client,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { call } from '../mcp/mcp.fixture.ts';
import { some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { closePages, loginLink, openBrowser, openContext, openLoggedIn } from './page.fixture.ts';

let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await gateway?.close();
});

/** A program on the machine of the browser, as agents are: it waits for the browser on a port of its own. */
class Program implements OAuthClientProvider {
  readonly redirectUrl: string;
  readonly clientMetadata;
  redirect: URL | undefined;
  answer: URLSearchParams | undefined;
  stored: { client?: object; tokens?: Record<string, unknown>; verifier?: string; discovery?: OAuthDiscoveryState } =
    {};
  readonly #server: Server;

  static async start(name: string): Promise<Program> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new Program(name, server);
  }

  private constructor(name: string, server: Server) {
    this.#server = server;
    this.redirectUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
    this.clientMetadata = {
      client_name: name,
      // Registered without the port that it happens to get.
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
    };
    server.on('request', (request, response) => {
      this.answer = new URL(request.url ?? '', this.redirectUrl).searchParams;
      response.setHeader('content-type', 'text/html').end('<title>done</title><p>You can close this.');
    });
  }

  state = (): string => 'state-of-the-program';
  clientInformation = () => this.stored.client as never;
  saveClientInformation(client: object): void {
    this.stored.client = client;
  }
  tokens = () => this.stored.tokens as never;
  saveTokens(tokens: object): void {
    this.stored.tokens = { ...tokens };
  }
  redirectToAuthorization(url: URL): void {
    this.redirect = url;
  }
  saveCodeVerifier(verifier: string): void {
    this.stored.verifier = verifier;
  }
  codeVerifier = (): string => this.stored.verifier ?? '';
  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.stored.discovery = state;
  }
  discoveryState = () => this.stored.discovery;
  invalidateCredentials(what: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): void {
    if (what === 'all' || what === 'tokens') delete this.stored.tokens;
    if (what === 'all' || what === 'client') delete this.stored.client;
  }

  transport(): StreamableHTTPClientTransport {
    return new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { authProvider: this });
  }

  /** Connects as far as it comes: the address for the browser, or a client that works. */
  async connect(): Promise<Client | URL> {
    const client = new Client({ name: 'program', version: '1' });
    this.redirect = undefined;
    try {
      await client.connect(this.transport());
      return client;
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || this.redirect === undefined) throw error;
      return this.redirect;
    }
  }

  async finish(): Promise<void> {
    await this.transport().finishAuth(this.answer ?? new URLSearchParams());
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function addressOf(program: Program): Promise<string> {
  const redirect = await program.connect();
  if (!(redirect instanceof URL)) throw new Error('It is let in without a login.');
  return redirect.href;
}

async function clientOf(program: Program): Promise<Client> {
  const client = await program.connect();
  if (client instanceof URL) throw new Error(`It is asked to log in: ${client.href}`);
  return client;
}

const textOf = async (page: Page, id: string): Promise<string> => (await page.getByTestId(id).textContent()) ?? '';

it('a program connects from nothing, a person logs in and allows it, and it works until that is revoked', async () => {
  const program = await Program.start('Robin’s agent');
  const { page, complaints } = await openContext(browser);
  await page.goto(await addressOf(program));
  // The browser is not logged in yet: first the login page, then the question.
  await page.getByTestId('ticket').fill(await loginLink(gateway));
  await page.getByTestId('enter').click();
  await page.getByTestId('authorize-allow').waitFor();
  expect(await textOf(page, 'authorize-client')).toBe('Robin’s agent');
  expect(await textOf(page, 'authorize-host')).toBe(new URL(program.redirectUrl).host);
  expect(await textOf(page, 'authorize-user')).toBe('admin');
  // It asks for all three, and who only clicks gives the least.
  expect(await page.getByTestId('authorize-view').isChecked()).toBe(true);
  await page.getByTestId('authorize-create').check();
  expect(program.answer).toBeUndefined();
  await page.getByTestId('authorize-allow').click();
  await page.waitForURL(`${program.redirectUrl}?**`);
  expect(Object.fromEntries(program.answer ?? [])).toEqual({
    code: expect.stringMatching(/^bn_/),
    state: 'state-of-the-program',
    iss: gateway.url,
  });
  await program.finish();
  const client = await clientOf(program);
  const { id } = (await call(client, 'bash_start', { command: 'echo it works' })).data;
  expect((await call(client, 'bash_output', { id, offset: 0, block: true })).data.text).toBe('it works\n');
  // Chromium's word for the question who is logged in, before anybody is.
  expect(complaints.filter((one) => !one.includes('status of 401'))).toEqual([]);

  // An access token that has ended is replaced without a person.
  const before = { ...program.stored.tokens };
  program.stored.tokens = { ...before, access_token: 'bn_ended' };
  expect((await call(client, 'bash_list')).isError).toBe(false);
  expect(program.stored.tokens?.refresh_token).not.toBe(before.refresh_token);

  const { tokens } = (await (await gateway.fetch('/v1/tokens')).json()) as { tokens: Record<string, unknown>[] };
  const own = tokens.find(({ name }) => name === 'Robin’s agent (MCP)');
  expect(own).toMatchObject({ kind: 'token', scope: 'create', user: 'admin' });
  expect((await gateway.fetch(`/v1/tokens/${own?.id}`, { method: 'DELETE' })).status).toBe(204);
  await expect(call(client, 'bash_list')).rejects.toThrow(UnauthorizedError);
  expect(program.redirect?.pathname).toBe('/oauth/authorize');

  // The client's stream comes back, too, and would begin a second login, with another proof.
  await client.close();

  // The same browser is still logged in: the page asks again, and does not redirect by itself.
  await page.goto(await addressOf(program));
  await page.getByTestId('authorize-view').check();
  await page.getByTestId('authorize-allow').click();
  await page.waitForURL(`${program.redirectUrl}?**`);
  await program.finish();
  const watcher = await clientOf(program);
  expect((await call(watcher, 'bash_list')).isError).toBe(false);
  expect((await call(watcher, 'bash_start', { command: 'true' })).data).toMatchObject({ code: 'forbidden' });
  await watcher.close();
  program.close();
});

it('who denies sends the program away with nothing, and a login that may only watch can give no more', async () => {
  const program = await Program.start('Another agent');
  const address = await addressOf(program);
  const { page } = await openLoggedIn(browser, gateway);
  await page.goto(address);
  await page.getByTestId('authorize-deny').click();
  await page.waitForURL(`${program.redirectUrl}?**`);
  expect(program.answer?.get('error')).toBe('access_denied');
  expect(program.answer?.get('code')).toBeNull();
  const watching = await openContext(browser);
  await watching.page.goto(await loginLink(gateway, 'view'));
  await watching.page.getByTestId('app-shell').waitFor();
  await watching.page.goto(address);
  await watching.page.getByTestId('authorize-view').waitFor();
  expect(await watching.page.getByTestId('authorize-create').count()).toBe(0);
  program.close();
});

it('a tampered authorization page explains itself and redirects nowhere', async () => {
  const program = await Program.start('Agent');
  const address = new URL(await addressOf(program));
  const { page } = await openLoggedIn(browser, gateway);
  const tampered: readonly (readonly [name: string, value: string])[] = [
    ['redirect_uri', 'https://evil.example/callback'],
    ['client_id', `${address.searchParams.get('client_id')}x`],
    ['code_challenge_method', 'plain'],
    ['resource', 'https://evil.example/mcp'],
  ];
  for (const [name, value] of some(tampered, 2)) {
    const other = new URL(address);
    other.searchParams.set(name, value);
    await page.goto('about:blank');
    await page.goto(other.href);
    await page.getByTestId('authorize').getByTestId('failure').waitFor();
    expect(await page.getByTestId('authorize-allow').count()).toBe(0);
    expect(new URL(page.url()).origin).toBe(gateway.url);
  }
  // No page of anybody else can lay something over the button.
  const headers = (await page.request.get(`${gateway.url}/`)).headers();
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  program.close();
});
