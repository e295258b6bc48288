// The unmodified npm package @alibaba-group/opensandbox against our gateway: every call that it has for commands.

import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CommandExecution,
  ConnectionConfig,
  DefaultAdapterFactory,
  SandboxApiException,
} from '@alibaba-group/opensandbox';
import type { CommandsAdapter } from '@alibaba-group/opensandbox/internal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { byAdapters, byConnect, byConnectWithFactory, byFactory, type Sdk } from './sdk.fixture.ts';

let gateway: Gateway;
const dir = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-sdk-')));
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const stdout = ({ logs }: CommandExecution): string => logs.stdout.map(({ text }) => text).join('');
const stderr = ({ logs }: CommandExecution): string => logs.stderr.map(({ text }) => text).join('');
/** What a call was refused with. */
const refusal = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => {
      if (!(error instanceof SandboxApiException)) throw error;
      return { statusCode: error.statusCode, code: error.error.code };
    },
  );

const ROUTES = [
  ['B, DefaultAdapterFactory', byFactory],
  ['D, Sandbox.connect as it is', byConnect],
] as const;

describe.each([
  ['A, its adapters', byAdapters],
  ['C, Sandbox.connect with a factory', byConnectWithFactory],
  ...(isAll ? [] : ROUTES.slice(1)),
] as const)('the SDK by route %s', (_name, open) => {
  it('pings, measures, runs, and keeps a session', async () => {
    const sdk = await open(gateway);
    expect(await sdk.health.ping()).toBe(true);
    expect((await sdk.metrics.getMetrics()).memoryTotalMiB).toBeGreaterThan(1);
    expect(stdout(await sdk.commands.run('echo hello'))).toBe('hello\n');
    const id = await sdk.commands.createSession();
    await sdk.commands.runInSession(id, 'X=1');
    expect(stdout(await sdk.commands.runInSession(id, 'echo $X'))).toBe('1\n');
    await sdk.commands.deleteSession(id);
    await sdk.close();
  });
});

describe.each(some(ROUTES, 1))('the SDK by route %s', (_name, open) => {
  let sdk: Sdk;
  beforeAll(async () => {
    sdk = await open(gateway);
  });
  afterAll(() => sdk.close());

  it('pings', async () => {
    expect(await sdk.health.ping()).toBe(true);
  });

  it('measures the machine', async () => {
    const metrics = await sdk.metrics.getMetrics();
    expect(metrics.cpuCount).toBeGreaterThanOrEqual(1);
    expect(metrics.cpuUsedPercentage).toBeGreaterThanOrEqual(0);
    expect(metrics.cpuUsedPercentage).toBeLessThanOrEqual(100);
    expect(metrics.memoryTotalMiB).toBeGreaterThan(metrics.memoryUsedMiB);
    expect(metrics.memoryUsedMiB).toBeGreaterThan(0);
    expect(Math.abs(metrics.timestamp - Date.now())).toBeLessThan(60_000);
  });

  describe('commands.run', () => {
    it('tells stdout from stderr, and exit code 0 by execution_complete', async () => {
      const execution = await sdk.commands.run('echo out; echo err >&2');
      expect([stdout(execution), stderr(execution)]).toEqual(['out\n', 'err\n']);
      expect(execution.exitCode).toBe(0);
      expect(execution.complete?.executionTimeMs).toBeGreaterThanOrEqual(0);
      expect(execution.error).toBeUndefined();
      expect(execution.id).toMatch(/^[0-9a-f-]{36}$/);
    });

    it('tells exit code n by one error, without execution_complete', async () => {
      const types: string[] = [];
      const execution = await sdk.commands.run('exit 3', undefined, {
        onEvent: (event) => void types.push((event as { type: string }).type),
      });
      expect(execution.exitCode).toBe(3);
      expect(execution.error).toMatchObject({ name: 'CommandExecError', value: '3' });
      expect(types).toEqual(['init', 'error']);
    });

    it('tells no exit code where there is none: a signal, a timeout', async () => {
      const killed = await sdk.commands.run('kill -9 $$');
      expect([killed.exitCode, killed.error?.value]).toEqual([null, 'SIGKILL']);
      const late = await sdk.commands.run('echo begun; sleep 60', { timeoutSeconds: 0.3 });
      expect([late.exitCode, late.error?.value, stdout(late)]).toEqual([null, 'timeout', 'begun\n']);
    });

    it('shows output as it comes: unfinished lines at once, blank lines kept', async () => {
      const gate = join(dir, `gate-${crypto.randomUUID()}`);
      const texts: string[] = [];
      const running = sdk.commands.run(
        `mkfifo ${gate}; printf '\\n\\nprompt> '; read -r line <${gate}; echo "got $line"`,
        undefined,
        { onStdout: ({ text }) => void texts.push(text) },
      );
      await until('the prompt is seen', () => texts.join('') === '\n\nprompt> ');
      await sdk.commands.run(`echo it >${gate}`);
      expect(stdout(await running)).toBe('\n\nprompt> got it\n');
    });

    it('never breaks a character, though each byte is a write of its own', async () => {
      const text = 'aé€😀ß.';
      const octal = [...Buffer.from(text)].map((byte) => `'\\${byte.toString(8).padStart(3, '0')}'`).join(' ');
      const execution = await sdk.commands.run(`for b in ${octal}; do printf "$b"; sleep 0.005; done`);
      expect(stdout(execution)).toBe(text);
      expect(execution.logs.stdout.length).toBeGreaterThan(1);
      for (const { text: part } of execution.logs.stdout) expect(part).not.toContain('�');
    });

    it('takes cwd, envs and skipAccumulation; reads nothing from stdin', async () => {
      const options = { workingDirectory: dir, envs: { GREETING: 'hé "quoted"' } };
      const execution = await sdk.commands.run('pwd; echo "$GREETING"; cat; echo end', options);
      expect(stdout(execution)).toBe(`${dir}\nhé "quoted"\nend\n`);
      const seen: string[] = [];
      const skipped = await sdk.commands.run('echo x', undefined, {
        skipAccumulation: true,
        onStdout: ({ text }) => void seen.push(text),
      });
      expect([seen.join(''), skipped.logs.stdout]).toEqual(['x\n', []]);
    });

    it('ends with the command, whoever holds its output open', async () => {
      const begun = performance.now();
      const execution = await sdk.commands.run('sleep 60 & echo done');
      expect([stdout(execution), execution.exitCode]).toEqual(['done\n', 0]);
      expect(performance.now() - begun).toBeLessThan(5_000);
      await sdk.commands.interrupt(execution.id ?? '');
    });

    it('goes on when its client goes away, and its status and output are kept', async () => {
      const gate = join(dir, `gate-${crypto.randomUUID()}`);
      // The SDK's own signal does nothing once the stream has begun (it takes its listener off), so its call is made by hand.
      const leaving = new AbortController();
      const answer = await fetch(`${gateway.url}/command`, {
        method: 'POST',
        headers: { 'X-EXECD-ACCESS-TOKEN': gateway.token, 'content-type': 'application/json' },
        body: JSON.stringify({ command: `mkfifo ${gate}; echo one; read -r line <${gate}; echo two` }),
        signal: leaving.signal,
      });
      let text = '';
      const reader = answer.body?.getReader();
      while (!text.includes('one')) text += Buffer.from((await reader?.read())?.value ?? []).toString();
      const id = /"init","text":"([^"]+)"/.exec(text)?.[1] ?? '';
      leaving.abort();
      await until('nobody watches', async () => {
        const metrics = await gateway.ask('/metrics');
        return /^binnacle_viewers 0$/m.test(metrics.text);
      });
      await sdk.commands.run(`echo >${gate}`);
      await until('it has ended', async () => (await sdk.commands.getCommandStatus(id)).running === false);
      expect(await sdk.commands.getCommandStatus(id)).toMatchObject({ id, exitCode: 0 });
      expect((await sdk.commands.getBackgroundCommandLogs(id)).content).toBe('one\ntwo\n');
    });

    it('is streamed event by event with runStream', async () => {
      const types: string[] = [];
      for await (const event of sdk.commands.runStream('echo a; echo b >&2')) types.push(event.type);
      expect(types[0]).toBe('init');
      expect(types.slice(1, -1).sort()).toEqual(['stderr', 'stdout']);
      expect(types.at(-1)).toBe('execution_complete');
    });

    it('runs many at once, each with its own output', async () => {
      const numbers = Array.from({ length: 12 }, (_, n) => n);
      const executions = await Promise.all(numbers.map((n) => sdk.commands.run(`echo ${n}; exit ${n}`)));
      expect(executions.map(stdout)).toEqual(numbers.map((n) => `${n}\n`));
      expect(executions.map(({ exitCode }) => exitCode)).toEqual(numbers);
    });
  });

  describe('a command in the background', () => {
    it('is told by status and logs, with a cursor that counts on', async () => {
      const gate = join(dir, `gate-${crypto.randomUUID()}`);
      const command = `mkfifo ${gate}; echo out; echo err >&2; read -r line <${gate}; printf 'é%s' "$line"; exit 4`;
      const { id = '', exitCode, complete } = await sdk.commands.run(command, { background: true });
      expect(exitCode).toBeUndefined();
      expect(complete).toBeDefined();
      await until('both lines are there', async () => {
        const { content } = await sdk.commands.getBackgroundCommandLogs(id);
        return content.split('\n').sort().join() === ',err,out';
      });
      const first = await sdk.commands.getBackgroundCommandLogs(id);
      expect(first.cursor).toBe(8);
      expect(await sdk.commands.getCommandStatus(id)).toMatchObject({
        id,
        content: command,
        running: true,
        exitCode: null,
      });
      expect(await sdk.commands.getBackgroundCommandLogs(id, 8)).toEqual({ content: '', cursor: 8 });
      await sdk.commands.run(`echo more >${gate}`);
      await until('it has ended', async () => (await sdk.commands.getCommandStatus(id)).running === false);
      const rest = await sdk.commands.getBackgroundCommandLogs(id, first.cursor);
      expect(rest).toEqual({ content: 'émore', cursor: 14 });
      expect(await sdk.commands.getBackgroundCommandLogs(id, rest.cursor)).toEqual({ content: '', cursor: 14 });
      const status = await sdk.commands.getCommandStatus(id);
      expect(status).toMatchObject({ running: false, exitCode: 4, error: 'exit status 4' });
      expect((status.finishedAt?.getTime() ?? 0) - (status.startedAt?.getTime() ?? 0)).toBeGreaterThanOrEqual(0);
    });

    it('gives no part of a character, and all of it with the next cursor', async () => {
      const gate = join(dir, `gate-${crypto.randomUUID()}`);
      const command = `mkfifo ${gate}; printf 'a\\342\\202'; read -r line <${gate}; printf '\\254b'`;
      const { id = '' } = await sdk.commands.run(command, { background: true });
      await until('the first part is there', async () => (await gateway.info(id)).outputOffset === 3);
      const first = await sdk.commands.getBackgroundCommandLogs(id);
      expect(first).toEqual({ content: 'a', cursor: 1 });
      await sdk.commands.run(`echo >${gate}`);
      await until('it has ended', async () => (await sdk.commands.getCommandStatus(id)).running === false);
      expect(await sdk.commands.getBackgroundCommandLogs(id, first.cursor)).toEqual({ content: '€b', cursor: 5 });
    });

    it('is ended by its timeout', async () => {
      const { id = '' } = await sdk.commands.run('sleep 60', { background: true, timeoutSeconds: 0.2 });
      await until('it has ended', async () => (await sdk.commands.getCommandStatus(id)).running === false);
      const { exitCode, error } = await sdk.commands.getCommandStatus(id);
      expect(exitCode).toBeNull();
      expect(error).toMatch(/timeout/);
    });

    it('is interrupted, children and all', async () => {
      const mark = `60.${Math.floor(Math.random() * 1e9)}`;
      const { id = '' } = await sdk.commands.run(`setsid sleep ${mark} & sleep ${mark} & echo on; wait`, {
        background: true,
      });
      await until('it is on', async () => (await sdk.commands.getBackgroundCommandLogs(id)).content === 'on\n');
      await sdk.commands.interrupt(id);
      expect(await sdk.commands.getCommandStatus(id)).toMatchObject({ running: false, exitCode: null });
      const left = await sdk.commands.run(`ps -eo args | grep -c '^sleep ${mark}' || true`);
      expect(stdout(left)).toBe('0\n');
    });
  });

  describe('a session', () => {
    const session = async <T>(use: (id: string) => Promise<T>, workingDirectory?: string): Promise<T> => {
      const id = await sdk.commands.createSession(workingDirectory === undefined ? undefined : { workingDirectory });
      try {
        return await use(id);
      } finally {
        await sdk.commands.deleteSession(id);
      }
    };

    it('keeps directory, variables, functions and options between runs', () =>
      session(async (id) => {
        const { runInSession } = sdk.commands;
        await runInSession.call(
          sdk.commands,
          id,
          `cd ${dir}; PLAIN=1; export OUT=2; hello() { echo "hello $1"; }; set -f`,
        );
        const after = await sdk.commands.runInSession(id, 'pwd; echo $PLAIN $OUT; hello you; echo *');
        expect(stdout(after)).toBe(`${dir}\n1 2\nhello you\n*\n`);
        expect(after.exitCode).toBe(0);
      }));

    it('makes its directory when it is missing', async () => {
      const missing = join(dir, 'deep', crypto.randomUUID());
      await session(
        async (id) => expect(stdout(await sdk.commands.runInSession(id, 'pwd'))).toBe(`${missing}\n`),
        missing,
      );
    });

    it('keeps stdout and stderr apart, blank and unfinished lines as they are', () =>
      session(async (id) => {
        const execution = await sdk.commands.runInSession(id, "printf '\\n\\na'; echo err >&2");
        expect([stdout(execution), stderr(execution), execution.exitCode]).toEqual(['\n\na', 'err\n', 0]);
      }));

    it('answers with the exit code of exit and exec, and stays usable with what it had', () =>
      session(async (id) => {
        await sdk.commands.runInSession(id, `X=kept; cd ${dir}`);
        expect((await sdk.commands.runInSession(id, 'exit 7')).exitCode).toBe(7);
        expect((await sdk.commands.runInSession(id, 'exec bash -c "exit 8"')).exitCode).toBe(8);
        expect(stdout(await sdk.commands.runInSession(id, 'echo $X; pwd'))).toBe(`kept\n${dir}\n`);
      }));

    it('is usable after an interrupt, by its id and by that of the run', () =>
      session(async (id) => {
        await sdk.commands.runInSession(id, 'X=kept');
        for (const pick of ['session', 'run'] as const) {
          let run = '';
          const running = sdk.commands.runInSession(id, 'echo on; sleep 60; echo not', undefined, {
            onInit: (init) => {
              run = init.id;
            },
            onStdout: async () => {
              await until('it sleeps', async () =>
                (await gateway.ask(`/v1/sessions/${id}/processes`)).text.includes('sleep 60'),
              );
              await sdk.commands.interrupt(pick === 'run' ? run : id);
            },
          });
          const execution = await running;
          expect([stdout(execution), execution.exitCode]).toEqual(['on\n', 130]);
          expect(await sdk.commands.getCommandStatus(run)).toMatchObject({ id: run, running: false, exitCode: 130 });
          expect((await sdk.commands.getBackgroundCommandLogs(run)).content).toMatch(/^on\n/);
        }
        expect(stdout(await sdk.commands.runInSession(id, 'echo $X'))).toBe('kept\n');
      }));

    it('is usable after a timeout', () =>
      session(async (id) => {
        const late = await sdk.commands.runInSession(id, 'X=kept; sleep 60', { timeoutSeconds: 0.3 });
        expect([late.exitCode, late.error?.value]).toEqual([null, 'timeout']);
        expect(stdout(await sdk.commands.runInSession(id, 'echo $X'))).toBe('kept\n');
      }));

    it('runs one after the other what was asked for at once', () =>
      session(async (id) => {
        const numbers = Array.from({ length: 8 }, (_, n) => n);
        const executions = await Promise.all(
          numbers.map((n) => sdk.commands.runInSession(id, `echo begin ${n}; sleep 0.01; echo end ${n}; (exit ${n})`)),
        );
        expect(executions.map(stdout)).toEqual(numbers.map((n) => `begin ${n}\nend ${n}\n`));
        expect(executions.map(({ exitCode }) => exitCode)).toEqual(numbers);
      }));

    it('runs beside other sessions, which know nothing of it', async () => {
      const ids = await Promise.all(Array.from({ length: 4 }, () => sdk.commands.createSession()));
      await Promise.all(ids.map((id, n) => sdk.commands.runInSession(id, `MINE=${n}; sleep 0.05`)));
      const seen = await Promise.all(ids.map(async (id) => stdout(await sdk.commands.runInSession(id, 'echo $MINE'))));
      expect(seen).toEqual(['0\n', '1\n', '2\n', '3\n']);
      await Promise.all(ids.map((id) => sdk.commands.deleteSession(id)));
    });

    it('never breaks a character, though each byte is a write of its own', () =>
      session(async (id) => {
        const text = 'é€😀';
        const octal = [...Buffer.from(text)].map((byte) => `'\\${byte.toString(8).padStart(3, '0')}'`).join(' ');
        const execution = await sdk.commands.runInSession(id, `for b in ${octal}; do printf "$b"; sleep 0.005; done`);
        expect(stdout(execution)).toBe(text);
        for (const { text: part } of execution.logs.stdout) expect(part).not.toContain('�');
      }));

    it('is streamed with runInSessionStream', () =>
      session(async (id) => {
        const types: string[] = [];
        // All have it, but the interface does not say so.
        const commands = sdk.commands as CommandsAdapter;
        for await (const { type } of commands.runInSessionStream(id, 'echo a', { workingDirectory: dir }))
          types.push(type);
        expect(types).toEqual(['init', 'stdout', 'execution_complete']);
      }));
  });

  it('refuses with a status and a code', async () => {
    const unknown = '01890000-0000-7000-8000-000000000000';
    const { commands } = sdk;
    const notFound = { statusCode: 404, code: 'CONTEXT_NOT_FOUND' };
    const badBody = { statusCode: 400, code: 'INVALID_REQUEST_BODY' };
    expect(await refusal(commands.runInSession(unknown, 'true'))).toEqual(notFound);
    expect(await refusal(commands.deleteSession(unknown))).toEqual(notFound);
    expect(await refusal(commands.interrupt(unknown))).toEqual(notFound);
    expect(await refusal(commands.getCommandStatus(unknown))).toEqual(notFound);
    expect(await refusal(commands.getCommandStatus(`${unknown}.run`))).toEqual(notFound);
    expect(await refusal(commands.getBackgroundCommandLogs(unknown))).toEqual(notFound);
    expect(await refusal(commands.run('true', { workingDirectory: join(dir, 'nowhere') }))).toEqual(badBody);
    expect(await refusal(commands.run('true', { timeoutSeconds: -1 }))).toEqual(badBody);
    expect(await refusal(commands.run('true', { envs: { 'not a name': 'x' } }))).toEqual(badBody);
    expect(await refusal(commands.run('true', { uid: 65_534 }))).toEqual({ statusCode: 501, code: 'NOT_SUPPORTED' });
    const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    expect((await commands.run('true', own)).exitCode).toBe(0);
    const { id = '' } = await commands.run('true');
    await until('it is closed', async () => (await gateway.info(id)).state === 'closed');
    expect(await refusal(commands.interrupt(id))).toEqual({ statusCode: 409, code: 'SESSION_EXITED' });
    expect(await refusal(commands.getBackgroundCommandLogs(id, 1))).toEqual({ statusCode: 416, code: 'OFFSET_AHEAD' });
  });
});

it('Sandbox.connect with a wrong key says so, and with files says what there is instead', async () => {
  await expect(byConnect({ url: gateway.url, token: 'bn_wrong' })).rejects.toMatchObject({
    statusCode: 401,
    error: { code: 'UNAUTHORIZED' },
  });
  const { Sandbox } = await import('@alibaba-group/opensandbox');
  const domain = new URL(gateway.url).host;
  const sandbox = await Sandbox.connect({ sandboxId: 'any', connectionConfig: { domain, apiKey: gateway.token } });
  expect(await refusal(sandbox.files.getFileInfo(['/etc/hostname']))).toEqual({
    statusCode: 501,
    code: 'NOT_SUPPORTED',
  });
  await sandbox.close();
});

it('an exception carries the number that its request had', async () => {
  const connectionConfig = new ConnectionConfig({
    domain: new URL(gateway.url).host,
    headers: { 'x-request-id': 'job-17' },
  }).withTransportIfMissing();
  const { commands } = new DefaultAdapterFactory().createExecdStack({
    connectionConfig,
    execdBaseUrl: gateway.url,
    endpointHeaders: { 'X-EXECD-ACCESS-TOKEN': gateway.token },
  });
  const missing = join(dir, 'nowhere');
  await expect(commands.run('true', { workingDirectory: missing })).rejects.toMatchObject({ requestId: 'job-17' });
  await expect(commands.getCommandStatus('unknown')).rejects.toMatchObject({ requestId: 'job-17' });
  await connectionConfig.closeTransport();
});
