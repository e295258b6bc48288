// Cases 34 to 44 of docs/sessions.md, as far as no other test crosses them: what a session starts, and what it leaves.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { familyOf, listProcesses, readProcess } from '../../packages/server/src/process/session-processes.ts';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

/** What no program of ours may see; the function is one that a shell of whoever started the gateway exports. */
const ENVIRONMENT = { 'BASH_FUNC_ls%%': '() { echo stolen; }', LD_PRELOAD: '', COLUMNS: '33', LINES: '11', TMUX: 'x' };
const TERMINALS = count({ quick: 20, all: 1000 });
let gateway: GatewayProcess;
let dir: string;
beforeAll(async () => {
  gateway = await openGatewayProcess({ env: ENVIRONMENT });
  dir = tempDir('processes');
});

const bash = (command: string, mode: string, env = {}) =>
  gateway.create({ command, mode, env: { SHELL: '/bin/bash', ...env } });
const remove = (id: string) => gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
const nameOf = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'gone';
  }
};
const isAlive = (pid: number) => readProcess(pid)?.isZombie === false;

describe.each(['pty', 'pipe'])('what a session on a %s has started (no. 36, 37)', (mode) => {
  it('ends with it though it left the session, has an empty environment, and does not hear HUP and TERM', async () => {
    const file = join(dir, `deaf-${mode}`);
    // A child of the shell until that ends: from then on nothing ties it to us but that we have seen it.
    const deaf = `trap "" HUP TERM INT; echo $$ > ${file}; while :; do sleep 0.05; done`;
    const { id } = await bash(`setsid env -i /bin/bash -c '${deaf}' & wait; wait; sleep 600`, mode);
    const pid = () => Number(readFileSync(file, { encoding: 'utf8', flag: 'a+' }));
    await until('it runs', () => pid() > 0);
    expect(readFileSync(`/proc/${pid()}/environ`, 'latin1')).not.toContain('BINNACLE');
    // Where it survives, it must not survive this test.
    onTestFinished(() => void (isAlive(pid()) && process.kill(pid(), 'SIGKILL')));
    expect((await remove(id)).status).toBe(204);
    expect(isAlive(pid())).toBe(false);
  });

  it('is reaped: no zombie is left behind (no. 39)', async () => {
    const sessions = await Promise.all(
      Array.from({ length: count({ quick: 8, all: 20 }) }, () =>
        bash('for i in 1 2 3; do true & done; (true &); exit 0', mode),
      ),
    );
    const runners = new Set(sessions.flatMap(({ pid }) => readProcess(pid ?? -1)?.parent ?? []));
    for (const { id } of sessions) await gateway.closed(id);
    const ours = [gateway.pid, ...runners];
    const children = () => listProcesses().filter(({ parent }) => ours.includes(parent));
    await until('none of ours is a zombie', () => children().every(({ isZombie }) => !isZombie));
    for (const { id } of sessions) expect((await remove(id)).status).toBe(204);
    expect(children().filter(({ isZombie }) => isZombie)).toEqual([]);
  });

  it('has signals as they are from the start: yes | head ends by SIGPIPE (no. 40)', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash.
    const { id } = await bash('yes | head -n 1; echo "${PIPESTATUS[*]}"; trap', mode);
    await gateway.closed(id);
    expect((await gateway.output(id)).replaceAll('\r', '')).toBe('y\n141 0\n');
    const mask = await bash('grep -E "Sig(Ign|Blk)" /proc/self/status', mode);
    await gateway.closed(mask.id);
    expect((await gateway.output(mask.id)).match(/0{16}/g)).toHaveLength(2);
  });
});

describe('an interrupt of a shell on pipes (no. 35)', () => {
  it('ends the job, however deep, and the shell keeps its state', async () => {
    const { id, pid } = await gateway.create({ mode: 'pipe', env: { SHELL: '/bin/bash' } });
    const interrupt = () => gateway.ask(`/v1/sessions/${id}/signal`, { body: { signal: 'SIGINT' } });
    await gateway.input(id, 'here=kept; f() { echo "$here $1"; }; cd /usr\n');
    const jobs = [
      { job: 'sleep 600', names: ['sleep'] },
      { job: 'sleep 600 | sleep 600 | cat', names: ['cat', 'sleep', 'sleep'] },
      { job: "bash -c 'sleep 600; echo no'", names: ['bash', 'sleep'] },
    ];
    const namesNow = () =>
      familyOf({ pid: pid ?? -1, startTime: '' }, id)
        .filter((row) => row.pid !== pid)
        .map((row) => nameOf(row.pid))
        .sort();
    for (const [n, { job, names }] of jobs.entries()) {
      await gateway.input(id, `echo begun ${n}; ${job}; echo "status $?"\n`);
      await gateway.seen(id, `begun ${n}`);
      // Whom bash has forked a moment ago is not the program yet, and may be missed by one interrupt.
      await until('the whole job is there', () => namesNow().join() === names.join());
      await until('it is interrupted', async () => (await interrupt()).status === 204);
      await gateway.seen(id, new RegExp(`begun ${n}\nstatus 130`));
    }
    await gateway.input(id, 'f "in $PWD"\n');
    expect(await gateway.seen(id, 'kept in /usr')).not.toContain('no\n');
    expect(await gateway.info(id)).toMatchObject({ state: 'running', pid });
  });
});

describe('the environment (no. 44)', () => {
  it.each(['pty', 'pipe'])('of a program on a %s is what is listed: no function, no size, no hook', async (mode) => {
    const { id } = await bash('ls -d /usr; env', mode, { LC_MESSAGES: 'C', EMPTY: '' });
    await gateway.closed(id);
    const [first, ...lines] = (await gateway.output(id)).replaceAll('\r', '').trim().split('\n');
    expect(first).toBe('/usr');
    const names = lines.map((line) => line.split('=', 1)[0]);
    for (const name of Object.keys(ENVIRONMENT)) expect(names).not.toContain(name);
    expect(lines).toContain('EMPTY=');
    expect(names).toContain('LC_MESSAGES');
  });

  it.each(['constructor', 'toString', 'hasOwnProperty'])('takes a variable that is called %s', async (name) => {
    const body = `{"command":"env","mode":"pipe","env":{"${name}":"yes"}}`;
    const created = await gateway.ask('/v1/sessions', { body, headers: { 'content-type': 'application/json' } });
    expect(created.status).toBe(201);
    await gateway.closed(created.json.id);
    expect((await gateway.output(created.json.id)).split('\n')).toContain(`${name}=yes`);
  });

  it('refuses the one name that JSON cannot carry safely', async () => {
    const body = '{"command":"env","mode":"pipe","env":{"__proto__":"yes"}}';
    const refused = await gateway.ask('/v1/sessions', { body, headers: { 'content-type': 'application/json' } });
    expect(refused).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('cannot be given another mark of a session', async () => {
    const { id } = await bash('echo "$BINNACLE_SESSION"', 'pipe', { BINNACLE_SESSION: 'mine' });
    await gateway.closed(id);
    expect(await gateway.output(id)).toBe(`${id}\n`);
  });
});

describe(`${TERMINALS} terminals, one after the other (no. 43)`, () => {
  it('leave no descriptor, no thread, no process, no terminal and no file', async () => {
    const cycles = async (number: number) => {
      let left = number;
      const worker = async () => {
        while (left-- > 0) {
          const { id } = await gateway.create({ argv: ['/bin/echo', 'hi'], mode: left % 10 === 0 ? 'pipe' : 'pty' });
          expect((await gateway.closed(id)).exitCode).toBe(0);
          expect((await remove(id)).status).toBe(204);
        }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
    };
    for (const { id } of (await gateway.ask('/v1/sessions?limit=1000')).json.sessions) await remove(id);
    await cycles(count({ quick: 10, all: 50 }));
    const before = holdings();
    await cycles(TERMINALS);
    await until('as before', () => JSON.stringify(holdings()) === JSON.stringify(before)).catch(() => undefined);
    expect(holdings()).toEqual(before);
    expect(readdirSync(join(gateway.dir, 'sessions'))).toEqual([]);
  }, 180_000);
});

/** Of the gateway and of each of its runners. */
function holdings() {
  const runners = readdirSync(join(gateway.dir, 'runners')).map(
    (name) => JSON.parse(readFileSync(join(gateway.dir, 'runners', name, 'runner.json'), 'utf8')) as { pid: number },
  );
  const of = (pid: number) => {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    return {
      pid,
      // Of the gateway, connections of our own come and go.
      descriptors: links.filter((link) => !link.startsWith('socket:')).length,
      terminals: links.filter((link) => link.startsWith('/dev/pt')).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
      children: listProcesses().filter(({ parent }) => parent === pid).length,
    };
  };
  return [of(gateway.pid), ...runners.map(({ pid }) => of(pid)).sort((a, b) => a.pid - b.pid)];
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // Closed meanwhile: the one that listed the directory.
  }
}
