// `binnacle serve`: starts the gateway, prints its address, and stops it in time.

import { defined } from '@binnacle/protocol';
import { type Gateway, type GatewayOptions, startGateway } from '@binnacle/server';
import type { Options } from '../declarations/commands.ts';
import { dataDir } from '../gateway/address.ts';
import { parseBytes, parseCount, parseDuration, parseDurationInRange } from '../input/quantities.ts';
import { EXIT, Failure } from '../output/failure.ts';
import { dataFlag } from '../output/shell.ts';
import { styleFor } from '../output/style.ts';
import { VERSION } from '../version.ts';

const HOUR_MS = 3600_000;
/**
 * Maximum time to close. Users press Ctrl-C again after about this long, and supervisors kill at 10 s; connections
 * still open by then are cut.
 */
const CLOSE_MS = 3000;

export async function serve(options: Options<'serve'>): Promise<number> {
  const stop = stopSignal();
  const isQuiet = options.json === true;
  const gateway = await start({ ...toGatewayOptions(options), ...(isQuiet ? {} : { onConfig: sayConfig }) });
  const data = dataDir(options.data);
  if (options.json === true) {
    const { url, publicUrl } = gateway;
    process.stdout.write(`${JSON.stringify({ url, publicUrl, pid: process.pid, data, version: VERSION })}\n`);
  } else {
    await greet(gateway, data);
  }
  await stop;
  if (options.json !== true) process.stderr.write('\nStopping. Programs keep running.\n');
  await Promise.race([gateway.close(), new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
  // Exits even if a socket that does not close still holds the event loop.
  process.exit(EXIT.ok);
}

/** Reports a loaded config file. The log does, too, but not at the usual log level. */
function sayConfig(path: string, problems: number): void {
  const faults =
    problems === 0 ? '' : `; ${problems} problem${problems === 1 ? '' : 's'}, see: binnacle config check '${path}'`;
  process.stderr.write(`The config file ${path} is in force${faults}.\n`);
}

export function toGatewayOptions(options: Options<'serve'>): GatewayOptions {
  const count = (text: string | undefined, name: string, most = 1_000_000): number | undefined =>
    text === undefined ? undefined : parseCount(text, name, 1, most);
  const time = (text: string | undefined, name: string, max: number): number | undefined =>
    text === undefined ? undefined : parseDurationInRange(text, name, 1000, max);
  const leaseMs = time(options.leaseTime, '--lease-time', 24 * HOUR_MS);
  return defined({
    dataDir: dataDir(options.data),
    host: options.host,
    port: parseCount(options.port, '--port', 0, 65_535),
    origins: options.origin,
    hostNames: options.hostName,
    publicUrl: options.publicUrl ?? (process.env.BINNACLE_PUBLIC_URL || undefined),
    leaseTimes: defined({
      autoReleaseAfterMs: leaseMs,
      graceMs: time(options.leaseGrace, '--lease-grace', HOUR_MS),
    }),
    writeLeaseTimes: defined({
      autoReleaseAfterMs: leaseMs,
      maxIdleHoldMs: leaseMs === undefined ? undefined : Math.max(leaseMs, HOUR_MS),
    }),
    livenessTimes: defined({
      heartbeatMs: time(options.heartbeat, '--heartbeat', HOUR_MS),
      stallMs: time(options.stallTime, '--stall-time', HOUR_MS),
    }),
    maxSessions: count(options.maxSessions, '--max-sessions'),
    maxForeignSessions: count(options.maxForeignSessions, '--max-foreign-sessions'),
    newForeignPerSecond: count(options.newForeignPerSecond, '--new-foreign-per-second'),
    emitRates: defined({
      eventsPerSecond: count(options.emitEventsPerSecond, '--emit-events-per-second'),
      bytesPerSecond: options.emitBytesPerSecond === undefined ? undefined : parseBytes(options.emitBytesPerSecond),
    }),
    maxViewers: count(options.maxViewers, '--max-viewers'),
    maxPendingPtys: count(options.maxPendingPtys, '--max-pending-ptys'),
    configPath: options.config,
    maxConversations: count(options.maxConversations, '--max-conversations'),
    maxQueuedMessages: count(options.maxQueuedMessages, '--max-queued-messages'),
    runsAtStop: options.runsAtStop,
    maxMcpCalls: count(options.maxMcpCalls, '--max-mcp-calls'),
    maxMcpSubscriptions: count(options.maxMcpSubscriptions, '--max-mcp-subscriptions'),
    programsPerRunner: count(options.programsPerRunner, '--programs-per-runner'),
    orphans: options.orphans === 'keep' ? 'keep' : parseDuration(options.orphans),
    retainBytes: options.retainBytes === undefined ? undefined : parseBytes(options.retainBytes),
    retainAgeMs: options.retainAge === undefined ? undefined : parseDuration(options.retainAge),
    retainTotalBytes: options.retainTotal === undefined ? undefined : parseBytes(options.retainTotal),
    retainSessions: count(options.retainSessions, '--retain-sessions'),
    maxEvents: count(options.maxEvents, '--max-events', 1_000_000_000),
    maxIndexBytes: options.maxIndex === undefined ? undefined : parseBytes(options.maxIndex),
    maxRecordingBytes: options.maxRecording === undefined ? undefined : parseBytes(options.maxRecording),
    passEnv: options.passEnv,
    logLevel: options.logLevel,
  });
}

async function start(options: GatewayOptions): ReturnType<typeof startGateway> {
  try {
    return await startGateway(options);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const where = `${options.host}:${options.port}`;
    if (code === 'EADDRINUSE') {
      const hint = 'Check whether a gateway already runs, or pass another --port; 0 takes any free port.';
      throw new Failure(EXIT.failed, `The address ${where} is in use.`, hint, error);
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
      throw new Failure(
        EXIT.failed,
        `The gateway cannot listen at ${where} (${code}).`,
        'Pass another --host or --port.',
        error,
      );
    }
    throw error;
  }
}

/** Resolves at the first signal to stop; the second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (code: number): void => {
      if (isStopping) process.exit(code);
      isStopping = true;
      resolve();
    };
    // Without a listener Node opens its inspector at SIGUSR1, to every program of this user.
    process.on('SIGUSR1', () => undefined);
    process.on('SIGINT', () => stop(EXIT.interrupted));
    process.on('SIGTERM', () => stop(143));
    // The terminal was closed. Later writes to it fail with EIO, which must not end the process before the gateway has
    // closed.
    process.on('SIGHUP', () => {
      process.stdout.on('error', () => undefined);
      process.stderr.on('error', () => undefined);
      stop(129);
    });
  });
}

async function greet(gateway: Gateway, data: string): Promise<void> {
  const { url, publicUrl } = gateway;
  const link = gateway.loginLink();
  const { bold, dim, cyan } = styleFor(process.stdout);
  // `npm start` runs from a checkout, where the command is not on the PATH.
  const binnacle = process.env.npm_lifecycle_event === 'start' ? 'npx binnacle' : 'binnacle';
  // Other commands find the default directory without --data.
  const where = data === dataDir(undefined) ? '' : dataFlag(data);
  const lines = [
    '',
    `  ${bold('Binnacle')} ${dim(VERSION)} ${dim('runs at')} ${url}`,
    ...(publicUrl === undefined ? [] : [`  ${dim('for others at')} ${publicUrl}/`]),
    '',
    `  ${bold('Open')}  ${cyan(link)}`,
    `        ${dim(`This link works once. For another: ${binnacle} token link${where}`)}`,
    '',
    `  ${dim('Data')}  ${data}`,
    `  ${dim('Pid')}   ${process.pid}`,
    `  ${dim('Stop')}  Ctrl-C ${dim('(programs keep running; start the gateway again to find them)')}`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (process.stdout.isTTY) {
    const { renderUnicodeCompact } = await import('uqr');
    process.stdout.write(`${renderUnicodeCompact(link, { border: 2 })}\n`);
    const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(link).hostname);
    const note = 'A phone cannot reach this address; docs/operations.md shows how to change that.';
    process.stdout.write(isLocal ? `  ${dim(note)}\n\n` : '\n');
  }
}
