// Lets the programs in a session report their state: each session has a secret that authorizes reports for that session
// only. Programs outlive the gateway and its port, so they get a path in the data directory.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '../data-dir/data-dir.ts';

const KEY_FILE = 'hook.key';
const SCRIPT_FILE = 'hook';

export class SessionReporters {
  readonly #key: string;
  readonly #script: string;

  /**
   * `program`: the bundled hook. Rewrites the script, because the installation may have moved. Throws `bad_data_dir`.
   */
  constructor(dir: string, program: string) {
    this.#key = readPrivateFile(join(dir, KEY_FILE)) ?? createKey(dir);
    this.#script = join(dir, SCRIPT_FILE);
    // Renamed into place: a hook may start the script at any time.
    const made = `${this.#script}.new`;
    writeFileSync(made, scriptOf(process.execPath, program));
    chmodSync(made, 0o700);
    renameSync(made, this.#script);
  }

  /** Returns the environment variables for a session's programs. */
  environmentOf(session: string): Readonly<Record<string, string>> {
    return { BINNACLE_HOOK: this.#script, BINNACLE_HOOK_SECRET: this.#secretOf(session) };
  }

  isSecretOf(session: string, secret: string): boolean {
    const expected = Buffer.from(this.#secretOf(session));
    const received = Buffer.from(secret);
    return received.length === expected.length && timingSafeEqual(received, expected);
  }

  #secretOf(session: string): string {
    return createHmac('sha256', this.#key).update(session).digest('base64url');
  }
}

function createKey(dir: string): string {
  const key = randomBytes(32).toString('base64url');
  writePrivateFile(join(dir, KEY_FILE), key);
  return key;
}

/** The event is the second argument, or else stdin. The agent waits only until the event is read. */
const scriptOf = (node: string, program: string): string => `#!/bin/sh
# Tells Binnacle what an agent does in this session. Written anew at each start of the gateway.
at=$(date +%s%3N)
if [ $# -gt 1 ]; then event=$2; else event=$(cat); fi
{ printf '%s' "$event" | ${quoted(node)} ${quoted(program)} "$1" "$at"; } >/dev/null 2>&1 &
`;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
