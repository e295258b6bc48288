// The escape suite, as data: what a hostile plugin tries. Copied into a plugin's folder and run there; the test reads
// the names. `attempt` answers with what it got hold of, or throws. Uses nothing but what every plugin has.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const here = import.meta.dirname;
const get = (name) => require(`node:${name}`);
const fs = get('fs');
const { once } = get('events');
const path = get('path');
const url = get('url');

/** Throws unless it came to something, so that "nothing happened" is no escape. */
const proof = (value, what = 'nothing came of it') => {
  if (value === undefined || value === null || value === false || value === '') throw new Error(what);
  return String(value).slice(0, 100);
};
const within = (ms, promise) =>
  Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error('nothing within time')), ms).unref())]);
/** Resolves with the first of these events. */
const first = (emitter, ok, ms = 1000) =>
  within(ms, new Promise((yes, no) => emitter.once(ok, () => yes(ok)).once('error', no)));

const secretOf = (text) => proof(String(text).includes('SECRET') && 'the secret');

/**
 * `open`: what `restricted` leaves open, each a documented hole; `network`: on Node before 25, whose flags do not
 * close the network. Default: nothing.
 * `since`: the first version that has such a thing at all.
 * `blank`: nothing is to be had by it even without walls, because of how every plugin is launched.
 * `mayDie`: the process may be ended by it, so it gets one of its own.
 * `alone`: what bubblewrap without Node's flags lets happen, in a world where nothing comes of it.
 * @type {{name: string, row: string, open?: 'all' | 'network', since?: number, blank?: boolean, mayDie?: boolean, alone?: 'open', attempt(f: any): any}[]}
 */
export const PROBES = [
  // child_process, by all roads
  {
    name: 'import child_process',
    row: 'child_process',
    attempt: async (f) => {
      const { execFileSync } = await import('node:child_process');
      return execFileSync('/bin/sh', ['-c', `echo ${f.token}`]);
    },
  },
  {
    name: 'require child_process',
    row: 'child_process',
    attempt: (f) => {
      const { status, stdout, error } = require('node:child_process').spawnSync('/bin/cat', [f.secret]);
      if (error) throw error;
      return proof(status === 0 && secretOf(stdout));
    },
  },
  {
    name: 'getBuiltinModule child_process',
    row: 'child_process',
    attempt: async () => {
      const child = process.getBuiltinModule('node:child_process').spawn('/bin/true');
      return first(child, 'exit');
    },
  },
  {
    name: 'Module._load child_process',
    row: 'child_process',
    attempt: () => require('node:module')._load('child_process').execSync('echo out'),
  },
  {
    name: 'exec in a shell',
    row: 'child_process',
    attempt: async () => {
      const child = get('child_process').exec('exit 0');
      return proof((await once(child, 'exit'))[0] === 0 && 'a shell');
    },
  },
  {
    name: 'fork',
    row: 'child_process',
    alone: 'open',
    attempt: async () => {
      const child = get('child_process').fork(path.join(here, 'nothing.mjs'), { silent: true });
      return proof((await within(3000, once(child, 'exit')))[0] === 0 && 'a fork');
    },
  },
  {
    name: 'node itself, with all permissions',
    row: 'child_process',
    alone: 'open',
    attempt: () => {
      const { status, error } = get('child_process').spawnSync(process.execPath, ['-e', '0']);
      if (error) throw error;
      return proof(status === 0 && 'a node');
    },
  },
  {
    name: 'cluster.fork',
    row: 'child_process',
    alone: 'open',
    attempt: async () => {
      const cluster = get('cluster');
      cluster.setupPrimary({ exec: path.join(here, 'nothing.mjs'), silent: true });
      return first(cluster.fork(), 'online', 3000);
    },
  },
  {
    name: 'process.binding spawn_sync',
    row: 'child_process',
    attempt: () => {
      const result = process.binding('spawn_sync').spawn({
        file: '/bin/true',
        args: ['true'],
        stdio: [{ type: 'ignore' }, { type: 'ignore' }, { type: 'ignore' }],
      });
      return proof(result.error === undefined && result.pid);
    },
  },
  {
    name: 'process.binding process_wrap',
    row: 'child_process',
    attempt: () => {
      const { Process } = process.binding('process_wrap');
      return proof(new Process().spawn({ file: '/bin/true', args: ['true'], stdio: [] }) === 0 && 'a process');
    },
  },
  {
    name: 'process.execve',
    row: 'child_process',
    since: 22,
    mayDie: true,
    attempt: (f) => {
      process.execve('/bin/sh', ['sh', '-c', `echo x > '${f.marker('execve')}'`], {});
    },
  },
  {
    name: 'node:test run',
    row: 'child_process',
    alone: 'open',
    attempt: async () => {
      const { run } = get('test');
      for await (const event of run({ files: [path.join(here, 'nothing.mjs')] })) {
        if (event.type === 'test:pass') return 'it ran';
      }
      throw new Error('nothing ran');
    },
  },
  {
    name: 'NODE_OPTIONS for a child',
    row: 'NODE_OPTIONS',
    alone: 'open',
    attempt: () => {
      const env = { NODE_OPTIONS: '--no-warnings' };
      const { status, error } = get('child_process').spawnSync(process.execPath, ['-e', '0'], { env });
      if (error) throw error;
      return proof(status === 0 && 'a child');
    },
  },
  {
    name: 'NODE_OPTIONS of the gateway',
    row: 'NODE_OPTIONS',
    blank: true,
    attempt: () =>
      proof(
        process.env.NODE_OPTIONS ??
          process.execArgv.find((flag) => /allow-(child|worker|addons|wasi)|--require/.test(flag)),
      ),
  },
  {
    name: '--require for a child',
    row: '--require',
    attempt: (f) => {
      const { stdout, error } = get('child_process').spawnSync(process.execPath, ['--require', f.script, '-e', '0']);
      if (error) throw error;
      return proof(String(stdout).includes('SCRIPT') && 'its script ran');
    },
  },

  // files: in
  { name: 'readFileSync', row: 'fs in', attempt: (f) => secretOf(fs.readFileSync(f.secret, 'utf8')) },
  { name: 'promises.readFile', row: 'fs in', attempt: async (f) => secretOf(await fs.promises.readFile(f.secret)) },
  { name: 'readFile by Buffer path', row: 'fs in', attempt: (f) => secretOf(fs.readFileSync(Buffer.from(f.secret))) },
  { name: 'readFile by URL', row: 'fs in', attempt: (f) => secretOf(fs.readFileSync(url.pathToFileURL(f.secret))) },
  {
    name: 'traversal out of the folder',
    row: 'fs in',
    attempt: (f) => secretOf(fs.readFileSync(`${here}/${'../'.repeat(20)}${f.secret}`)),
  },
  {
    name: 'traversal in bytes',
    row: 'fs in',
    attempt: (f) => secretOf(fs.readFileSync(new Uint8Array(Buffer.from(`${here}/${'../'.repeat(20)}${f.secret}`)))),
  },
  { name: 'a folder whose name begins like ours', row: 'fs in', attempt: (f) => secretOf(fs.readFileSync(f.sibling)) },
  {
    name: 'createReadStream',
    row: 'fs in',
    attempt: async (f) => {
      for await (const piece of fs.createReadStream(f.secret)) return secretOf(piece);
    },
  },
  { name: 'openAsBlob', row: 'fs in', attempt: async (f) => secretOf(await (await fs.openAsBlob(f.secret)).text()) },
  {
    name: 'readdir',
    row: 'fs in',
    attempt: (f) => proof(fs.readdirSync(f.outside).includes('secret.json') && 'names'),
  },
  { name: 'opendir', row: 'fs in', attempt: (f) => proof(fs.opendirSync(f.outside).readSync()?.name) },
  { name: 'stat', row: 'fs in', attempt: (f) => proof(fs.statSync(f.secret).size) },
  { name: 'existsSync', row: 'fs in', attempt: (f) => proof(fs.existsSync(f.secret)) },
  { name: 'realpath.native', row: 'fs in', attempt: (f) => proof(fs.realpathSync.native(f.secret)) },
  {
    name: 'watch',
    row: 'fs in',
    attempt: (f) => {
      fs.watch(f.outside).close();
      return 'a watch';
    },
  },
  { name: 'require of a JSON file', row: 'fs in', attempt: (f) => secretOf(require(f.secret).text) },
  {
    name: 'import of a JSON file',
    row: 'fs in',
    attempt: async (f) =>
      secretOf((await import(url.pathToFileURL(f.secret).href, { with: { type: 'json' } })).default.text),
  },
  { name: 'require of a script', row: 'fs in', attempt: (f) => proof(require(f.script)) },
  {
    name: 'loadEnvFile',
    row: 'fs in',
    attempt: (f) => {
      process.loadEnvFile(f.envFile);
      return proof(process.env.OUTSIDE_ENV);
    },
  },
  {
    name: 'chdir and a relative path',
    row: 'fs in',
    attempt: (f) => {
      const back = process.cwd();
      process.chdir(f.outside);
      try {
        return secretOf(fs.readFileSync('secret.json'));
      } finally {
        process.chdir(back);
      }
    },
  },
  // files: out
  { name: 'writeFileSync', row: 'fs out', attempt: (f) => fs.writeFileSync(f.marker('write'), 'x') ?? 'written' },
  {
    name: 'write into its own folder',
    row: 'fs out',
    attempt: () => fs.writeFileSync(path.join(here, 'own.txt'), 'x') ?? 'written',
  },
  { name: 'open for writing', row: 'fs out', attempt: (f) => proof(`fd ${fs.openSync(f.secret, 'r+')}`) },
  { name: 'mkdtemp', row: 'fs out', attempt: (f) => fs.mkdtempSync(f.marker('folder-')) },
  { name: 'rm', row: 'fs out', attempt: (f) => fs.rmSync(f.precious) ?? 'removed' },
  { name: 'rename', row: 'fs out', attempt: (f) => fs.renameSync(f.precious, f.marker('renamed')) ?? 'renamed' },
  {
    name: 'copyFile out',
    row: 'fs out',
    attempt: (f) => fs.copyFileSync(path.join(here, 'nothing.mjs'), f.marker('copy')) ?? 'copied',
  },
  { name: 'chmod', row: 'fs out', attempt: (f) => fs.chmodSync(f.precious, 0o777) ?? 'changed' },
  {
    name: 'process.report',
    row: 'report files',
    attempt: (f) => {
      process.report.excludeNetwork = true;
      const file = f.marker('report.json');
      process.report.writeReport(file);
      return proof(fs.existsSync(file) && file, 'no report');
    },
  },
  { name: 'heap snapshot', row: 'heap snapshots', attempt: (f) => get('v8').writeHeapSnapshot(f.marker('heap')) },
  {
    name: 'compile cache',
    row: 'fs out',
    since: 22,
    attempt: (f) => {
      const { enableCompileCache, constants } = require('node:module');
      const { status } = enableCompileCache(f.marker('cache'));
      return proof(status === constants.compileCacheStatus.ENABLED && 'a cache');
    },
  },
  {
    name: 'repl history',
    row: 'fs out',
    attempt: async (f) => {
      const { PassThrough } = get('stream');
      const repl = get('repl').start({ input: new PassThrough(), output: new PassThrough(), terminal: true });
      try {
        await within(
          1000,
          new Promise((yes, no) => repl.setupHistory(f.marker('history'), (error) => (error ? no(error) : yes()))),
        );
        return proof(f.exists('history') && 'a file', 'no file');
      } finally {
        repl.close();
      }
    },
  },
  {
    name: 'V8 writes graphs',
    row: 'V8 flags',
    mayDie: true,
    alone: 'open',
    attempt: (f) => {
      get('v8').setFlagsFromString('--trace-turbo');
      get('v8').setFlagsFromString(`--trace-turbo-path=${f.outside}`);
      const hot = (n) => (n * 3) % 7;
      let sum = 0;
      for (let i = 0; i < 3_000_000; i++) sum += hot(i);
      return proof(sum > 0 && 'the flag was taken');
    },
  },
  // links
  {
    name: 'symlink to the outside, then read',
    row: 'links',
    attempt: (f) => {
      fs.symlinkSync(f.secret, path.join(here, 'made-link'));
      return secretOf(fs.readFileSync(path.join(here, 'made-link')));
    },
  },
  {
    name: 'hard link to the outside',
    row: 'links',
    attempt: (f) => {
      fs.linkSync(f.secret, path.join(here, 'hard-link'));
      return secretOf(fs.readFileSync(path.join(here, 'hard-link')));
    },
  },
  {
    name: 'a link that was there',
    row: 'links',
    open: 'all',
    attempt: () => secretOf(fs.readFileSync(path.join(here, 'link-out'))),
  },
  {
    name: 'a linked folder that was there',
    row: 'links',
    open: 'all',
    attempt: () => secretOf(fs.readFileSync(path.join(here, 'folder-out/secret.json'))),
  },
  // /proc
  {
    name: '/proc/self/environ',
    row: '/proc',
    attempt: () => proof(fs.readFileSync('/proc/self/environ', 'latin1').length >= 0),
  },
  {
    name: '/proc/PID/environ of the gateway',
    row: '/proc',
    attempt: (f) => proof(fs.readFileSync(`/proc/${f.gateway}/environ`).length),
  },
  {
    name: '/proc/PID/mem of the gateway',
    row: '/proc/PID/mem',
    attempt: (f) => proof(`fd ${fs.openSync(`/proc/${f.gateway}/mem`, 'r+')}`),
  },
  { name: '/proc/self/mem', row: '/proc/PID/mem', attempt: () => proof(`fd ${fs.openSync('/proc/self/mem', 'r+')}`) },
  { name: '/proc/self/root', row: '/proc', attempt: (f) => secretOf(fs.readFileSync(`/proc/self/root${f.secret}`)) },
  {
    name: '/proc/PID/cwd of the gateway',
    row: '/proc',
    attempt: (f) => proof(fs.readdirSync(`/proc/${f.gateway}/cwd`).length),
  },
  {
    name: '/proc/PID/fd of the gateway',
    row: '/proc',
    attempt: (f) => proof(fs.readdirSync(`/proc/${f.gateway}/fd`).length),
  },
  {
    name: 'descriptors of the gateway',
    row: 'fd inheritance',
    blank: true,
    attempt: (f) => {
      for (let fd = 4; fd < 256; fd++) {
        let stat;
        try {
          stat = fs.fstatSync(fd, { bigint: true });
        } catch {
          // None with that number.
          continue;
        }
        if (`${stat.dev}:${stat.ino}` === f.heldFile) return secretOf(fs.readFileSync(fd));
        if (stat.isFile() && stat.size > 0n) {
          const text = Buffer.alloc(200);
          fs.readSync(fd, text, 0, 200, 0);
          if (text.includes('SECRET')) return 'the secret';
        }
      }
      throw new Error('none is ours');
    },
  },
  {
    name: 'what the gateway has in its environment',
    row: 'env',
    blank: true,
    attempt: (f) =>
      proof(
        Object.entries(process.env).find(
          ([name, value]) => value.includes(f.canary) || /^(HOME|USER|PATH)$/.test(name),
        ),
      ),
  },

  // sqlite, trace_events, workers, inspector, addons, wasi
  {
    name: 'sqlite opens a file',
    row: 'sqlite',
    since: 22,
    attempt: (f) => {
      const { DatabaseSync } = get('sqlite');
      new DatabaseSync(f.marker('sqlite')).exec('CREATE TABLE t (x)');
      return 'a database';
    },
  },
  {
    name: 'sqlite ATTACH',
    row: 'sqlite',
    since: 22,
    attempt: (f) => {
      const { DatabaseSync } = get('sqlite');
      new DatabaseSync(':memory:').exec(`ATTACH '${f.marker('attached')}' AS a; CREATE TABLE a.t (x)`);
      return 'a database';
    },
  },
  {
    name: 'sqlite VACUUM INTO',
    row: 'sqlite',
    since: 22,
    attempt: (f) => {
      const { DatabaseSync } = get('sqlite');
      new DatabaseSync(':memory:').exec(`CREATE TABLE t (x); VACUUM INTO '${f.marker('vacuum')}'`);
      return 'a database';
    },
  },
  {
    name: 'trace_events',
    row: 'trace_events',
    mayDie: true,
    attempt: async (f) => {
      try {
        process.chdir(f.outside);
      } catch (error) {
        // Refused, or nowhere to be seen from here. Where it is then is said below.
        if (error?.code === undefined) throw error;
      }
      const at = process.cwd();
      const tracing = get('trace_events').createTracing({ categories: ['node.perf', 'v8'] });
      tracing.enable();
      performance.mark('x');
      await new Promise((done) => setTimeout(done, 200));
      tracing.disable();
      throw new Error(`looked at from outside; cwd ${at}`);
    },
  },
  {
    name: 'Worker',
    row: 'workers',
    alone: 'open',
    attempt: async () => {
      const worker = new (get('worker_threads').Worker)('0', { eval: true });
      return first(worker, 'exit');
    },
  },
  {
    name: 'Worker with flags of its own',
    row: 'workers',
    alone: 'open',
    attempt: async () => {
      const worker = new (get('worker_threads').Worker)('0', { eval: true, execArgv: [], env: { NODE_OPTIONS: '' } });
      return first(worker, 'exit');
    },
  },
  {
    name: 'module.register',
    row: 'workers',
    attempt: async (f) => {
      const code = `import fs from 'node:fs'; fs.writeFileSync(${JSON.stringify(f.marker('hooks'))}, 'x');`;
      require('node:module').register(`data:text/javascript,${encodeURIComponent(code)}`);
      return proof(f.exists('hooks') && 'a file', 'no file');
    },
  },
  {
    name: 'inspector.open',
    row: 'inspector',
    alone: 'open',
    attempt: () => {
      const inspector = get('inspector');
      inspector.open(0, '127.0.0.1');
      const at = inspector.url();
      inspector.close();
      return proof(at);
    },
  },
  {
    name: 'inspector.Session',
    row: 'inspector',
    alone: 'open',
    attempt: () => {
      const session = new (get('inspector').Session)();
      session.connect();
      session.disconnect();
      return 'a session';
    },
  },
  { name: 'require of an addon', row: 'addons', attempt: () => proof(typeof require(path.join(here, 'addon.node'))) },
  {
    name: 'process.dlopen',
    row: 'dlopen',
    attempt: () => {
      const module = { exports: {} };
      process.dlopen(module, path.join(here, 'addon.node'));
      return 'loaded';
    },
  },
  {
    name: 'OpenSSL engine',
    row: 'addons',
    alone: 'open',
    attempt: () => {
      try {
        get('crypto').setEngine(path.join(here, 'addon.node'));
        return 'loaded';
      } catch (error) {
        // It was loaded, and is no engine: its code could have run.
        if (error.code === 'ERR_CRYPTO_ENGINE_UNKNOWN') return 'loaded';
        throw error;
      }
    },
  },
  {
    name: 'WASI with a folder',
    row: 'wasi',
    attempt: (f) => {
      const { WASI } = get('wasi');
      return proof(new WASI({ version: 'preview1', preopens: { '/out': f.outside } }) && 'a WASI');
    },
  },
  {
    name: 'process.binding fs',
    row: 'process.binding',
    attempt: (f) => {
      const binding = process.binding('fs');
      return proof(`fd ${binding.open(f.secret, 0, 0o666)}`);
    },
  },
  {
    name: 'process.binding tcp_wrap',
    row: 'process.binding',
    alone: 'open',
    attempt: () => proof(typeof process.binding('tcp_wrap').TCP === 'function'),
  },

  // network
  {
    name: 'TCP connect',
    row: 'TCP',
    open: 'network',
    attempt: async (f) => {
      const socket = get('net').connect(f.tcp, '127.0.0.1');
      await first(socket, 'connect');
      socket.destroy();
      return 'connected';
    },
  },
  {
    name: 'fetch',
    row: 'TCP',
    open: 'network',
    attempt: async (f) => (await fetch(`http://127.0.0.1:${f.http}/`, { signal: AbortSignal.timeout(1000) })).status,
  },
  {
    name: 'http2',
    row: 'TCP',
    open: 'network',
    attempt: async (f) => {
      const session = get('http2').connect(`http://127.0.0.1:${f.tcp}`);
      await first(session, 'connect');
      session.destroy();
      return 'connected';
    },
  },
  {
    name: 'the outer address of this machine',
    row: 'TCP',
    open: 'network',
    attempt: async (f) => {
      const socket = get('net').connect(f.tcp, f.address);
      await first(socket, 'connect');
      socket.destroy();
      return 'connected';
    },
  },
  {
    name: 'TCP listen, for others to reach',
    row: 'TCP',
    open: 'network',
    mayDie: true,
    attempt: async (f) => {
      const server = get('net').createServer().listen(f.knock, '0.0.0.0');
      try {
        await first(server, 'listening');
        return await first(server, 'connection');
      } finally {
        server.close();
      }
    },
  },
  {
    name: 'UDP send',
    row: 'UDP',
    open: 'network',
    mayDie: true,
    attempt: async (f) => {
      const socket = get('dgram').createSocket('udp4');
      await new Promise((yes, no) => socket.send('escape', f.udp, '127.0.0.1', (error) => (error ? no(error) : yes())));
      const [reply] = await within(1000, once(socket, 'message'));
      socket.close();
      return String(reply);
    },
  },
  {
    name: 'DNS query',
    row: 'DNS',
    open: 'network',
    attempt: async (f) => {
      const resolver = new (get('dns').promises.Resolver)({ timeout: 500, tries: 1 });
      resolver.setServers([`127.0.0.1:${f.udp}`]);
      return resolver.resolve4('secret.escape.test').then(String, (error) => {
        // Our server answers with an error of its own: who gets that one has talked to it.
        if (error.code === 'EREFUSED' || error.code === 'EBADRESP') return error.code;
        throw error;
      });
    },
  },
  {
    name: 'unix socket connect',
    row: 'unix sockets',
    open: 'network',
    attempt: async (f) => {
      const socket = get('net').connect(f.unix);
      await first(socket, 'connect');
      socket.destroy();
      return 'connected';
    },
  },
  {
    name: 'abstract unix socket connect',
    row: 'unix sockets',
    open: 'network',
    attempt: async (f) => {
      const socket = get('net').connect(`\0${f.abstract}`);
      await first(socket, 'connect');
      socket.destroy();
      return 'connected';
    },
  },
  {
    name: 'unix socket listen, which makes a file',
    row: 'unix sockets',
    open: 'network',
    attempt: async (f) => {
      const server = get('net').createServer().listen(f.marker('socket'));
      await first(server, 'listening');
      server.close();
      return 'listens';
    },
  },

  // other processes
  { name: 'process.kill(gateway)', row: 'signals', open: 'all', attempt: (f) => proof(process.kill(f.gateway, 0)) },
  {
    name: 'process.kill(ppid)',
    row: 'process.kill(ppid)',
    open: 'all',
    attempt: (f) => {
      if (process.ppid !== f.gateway) throw new Error(`the parent is ${process.ppid}`);
      return proof(process.kill(process.ppid, 0));
    },
  },
  {
    name: 'SIGTERM to another process',
    row: 'signals',
    open: 'all',
    attempt: (f) => proof(process.kill(f.victim, 'SIGTERM')),
  },
  { name: 'a signal to everybody', row: 'signals', open: 'all', attempt: () => proof(process.kill(-1, 0)) },
  {
    name: 'process._debugProcess of another',
    row: 'signals',
    open: 'all',
    attempt: (f) => process._debugProcess(f.victim2) ?? 'told',
  },
  {
    name: 'priority of another process',
    row: 'signals',
    open: 'all',
    attempt: (f) => get('os').setPriority(f.gateway, 0) ?? 'set',
  },
  {
    name: 'who runs the gateway',
    row: 'facts',
    open: 'all',
    attempt: (f) => proof(get('os').userInfo().username === f.user && f.user),
  },
  {
    name: 'the name of this machine',
    row: 'facts',
    open: 'all',
    attempt: (f) => proof(get('os').hostname() === f.hostname && f.hostname),
  },
  {
    name: 'addresses of this machine',
    row: 'facts',
    open: 'all',
    attempt: () => proof(Object.keys(get('os').networkInterfaces()).find((name) => name !== 'lo')),
  },

  // tricks with the language
  {
    name: 'code from a string',
    row: 'prototype tricks',
    alone: 'open',
    attempt: () => new Function('return "made"')(),
  },
  {
    name: 'constructor of an api function',
    row: 'prototype tricks',
    alone: 'open',
    attempt: (f) => proof(typeof f.marker.constructor('return process')().pid),
  },
  {
    name: 'permission.has says yes',
    row: 'prototype tricks',
    attempt: (f) => {
      try {
        process.permission.has = () => true;
      } catch (error) {
        // It is frozen, or there is none: reading shows whether that is enough.
        if (!(error instanceof TypeError)) throw error;
      }
      return secretOf(fs.readFileSync(f.secret));
    },
  },
  {
    name: 'polluted Object.prototype',
    row: 'prototype tricks',
    mayDie: true,
    attempt: (f) => {
      for (const name of ['permission', 'allowChildProcess', 'shell', 'allow-fs-read']) Object.prototype[name] = true;
      return proof(get('child_process').spawnSync('/bin/cat', [f.secret]).stdout?.length);
    },
  },
  {
    name: 'string methods that lie',
    row: 'prototype tricks',
    mayDie: true,
    attempt: (f) => {
      String.prototype.startsWith = () => true;
      Array.prototype.includes = () => true;
      Map.prototype.has = () => true;
      return secretOf(fs.readFileSync(f.secret));
    },
  },
  {
    name: 'path.resolve that lies',
    row: 'prototype tricks',
    mayDie: true,
    attempt: (f) => {
      path.resolve = () => path.join(here, 'nothing.mjs');
      return secretOf(fs.readFileSync(f.secret));
    },
  },
  {
    name: 'Buffer methods that lie',
    row: 'prototype tricks',
    mayDie: true,
    attempt: (f) => {
      const bytes = new Uint8Array([...`${here}/${'../'.repeat(20)}${f.secret}`].map((c) => c.charCodeAt(0)));
      const { utf8Write, toString: asText } = Buffer.prototype;
      const { from } = Buffer;
      Buffer.prototype.utf8Write = function (text, ...rest) {
        return this.latin1Write(text.replace('nothing.mjs', `${'../'.repeat(20)}${f.secret}`), ...rest);
      };
      Buffer.prototype.toString = () => path.join(here, 'nothing.mjs');
      Buffer.from = () => bytes;
      try {
        return secretOf(new TextDecoder().decode(fs.readFileSync(bytes)));
      } finally {
        Object.assign(Buffer.prototype, { utf8Write, toString: asText });
        Buffer.from = from;
      }
    },
  },
  {
    name: 'process from a new context',
    row: 'prototype tricks',
    attempt: (f) => {
      const inner = get('vm').runInThisContext('process');
      return proof(inner.getBuiltinModule('child_process').spawnSync('/bin/cat', [f.secret]).stdout?.length);
    },
  },
  {
    name: 'setuid to the owner of the gateway',
    row: 'signals',
    blank: true,
    attempt: (f) => {
      if (process.getuid() === f.uid) throw new Error('it is the same already');
      process.setuid(f.uid);
      return proof(process.getuid() === f.uid && 'another user');
    },
  },
];

/** @returns {Promise<{open: true, got: string} | {open: false, why: string}>} */
export async function attempt(name, facts) {
  const f = {
    ...facts,
    marker: (file) => path.join(facts.outside, `escaped-${file}`),
    exists: (file) => {
      try {
        return fs.statSync(path.join(facts.outside, `escaped-${file}`)) !== undefined;
      } catch {
        // Not there, or not to be seen.
        return false;
      }
    },
  };
  try {
    const got = await within(5000, Promise.resolve(PROBES.find((probe) => probe.name === name).attempt(f)));
    return { open: true, got: String(got).slice(0, 200) };
  } catch (error) {
    return { open: false, why: String(error?.code ?? error?.message ?? error).slice(0, 200) };
  }
}

export default function register(api) {
  api.handle('attempt', ({ name, facts }) => attempt(name, facts));
}
