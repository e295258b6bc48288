// The binary: flags in, one line of JSON out when it is ready. Knows no protocol.

import { parseArgs } from 'node:util';
import { startMockLlm } from './mock-llm.ts';

const USAGE = `Usage: binnacle-mock-llm [--port N] [--host ADDRESS] [--delay-ms N]

A model for tests: it repeats its input. RUNTOOL <command> makes it call the shell tool that it is
offered, SLOW <n> makes it say n words slowly, THINK <text> think first, FAIL <status> fail.

  --port N          default: a free one
  --host ADDRESS    default: 127.0.0.1
  --delay-ms N      between two words of SLOW, default 50`;

const OPTIONS = {
  port: { type: 'string', default: '0' },
  host: { type: 'string', default: '127.0.0.1' },
  'delay-ms': { type: 'string', default: '50' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

function number(name: string, text: string, max: number): number {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Error(`--${name} takes a whole number from 0 to ${max}, not "${text}".`);
  }
  return value;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const port = number('port', values.port, 65_535);
  const delayMs = number('delay-ms', values['delay-ms'], 3_600_000);
  const llm = await startMockLlm({ port, host: values.host, delayMs });
  console.log(JSON.stringify({ url: llm.url }));
  const stop = (): void => void llm.close();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

main().catch((error: unknown) => {
  console.error(`binnacle-mock-llm: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
