// Programs in grants, and the files that calls would start. Starts nothing.

import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join, posix } from 'node:path';

/**
 * Pattern of a bare name. Other programs are normalized absolute paths. Links are not followed: busybox is many
 * programs.
 */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/;
const CONTROL = /\p{Cc}/u;

/** Programs that start any other program given to them: a list that contains one of them would restrict nothing. */
const STARTS_ANYTHING = new Set(
  [
    'sh bash rbash dash ash zsh ksh mksh fish csh tcsh pwsh busybox toybox eval exec command',
    'env xargs parallel nohup nice ionice setsid timeout time stdbuf flock watch script ssh run-parts daemonize',
    // Launchers that choose who runs the program: users, namespaces, sandboxes.
    'sudo doas su sg newgrp runuser pkexec run0 setpriv capsh chroot unshare nsenter bwrap firejail fakeroot fakechroot proot',
    'runcon systemd-run systemd-nspawn start-stop-daemon dbus-run-session xvfb-run tini dumb-init catatonit',
    // Launchers that choose how the program runs: processors, limits, personality, scheduling.
    'taskset prlimit setarch linux32 linux64 i386 x86_64 uname26 chrt choom uclampset coresched cpulimit numactl softlimit',
    'chpst setuidgid eatmydata envdir setlock faketime torsocks proxychains proxychains4 gosu su-exec aa-exec',
    'fakeroot-sysv fakeroot-tcp dbus-launch ssh-agent debconf openvt logsave',
    'systemd-cat systemd-inhibit systemd-socket-activate',
    // Programs that run others under observation or in a terminal.
    'strace ltrace gdb lldb rr perf valgrind catchsegv sotruss hyperfine entr tmux screen dtach abduco expect unbuffer rlwrap socat',
  ].flatMap((names) => names.split(' ')),
);
/** Loaders of shared libraries, which start the program in their argument: `ld-linux-x86-64.so.2 /bin/sh`. */
const LOADER = /^ld(?:[-.].*)?\.so(?:\.\d+)*$|^ld-musl-.*$/;

const startsAnything = (name: string): boolean => STARTS_ANYTHING.has(name) || LOADER.test(name);

/** Parses an item. Returns a reason, for people, if it is invalid. */
export function readProgramItem(text: string): { readonly item: string } | string {
  const item = canonicalProgram(text);
  if (item === undefined) return 'a program is a bare name or an absolute path: no spaces in a name, no wildcards';
  if (startsAnything(posix.basename(item))) {
    return `${posix.basename(item)} starts any other program, so that naming it narrows nothing; write true if you mean that`;
  }
  return { item };
}

/**
 * Returns argv[0] in the form that is compared and executed; undefined for a relative path, an invalid name, or control
 * characters.
 */
export function canonicalProgram(text: string): string | undefined {
  if (!text.includes('/')) return NAME.test(text) ? text : undefined;
  if (!text.startsWith('/') || text.endsWith('/') || text.length > 4096 || CONTROL.test(text)) return undefined;
  if (/[*?[\]]/.test(text) || !text.isWellFormed()) return undefined;
  // The kernel may resolve `..` after a link to another file. The normalized path is the one that is executed.
  const path = posix.normalize(text);
  const last = posix.basename(path);
  return last === '' || last === '.' || last === '..' ? undefined : path;
}

/** Finds programs as a shell with that PATH would, but ignores its relative folders. */
export function programFinder(path: string): (name: string) => string | undefined {
  const folders = path.split(':').filter((folder) => isAbsolute(folder));
  return (name) => (NAME.test(name) ? folders.map((folder) => join(folder, name)).find(isProgram) : undefined);
}

function isProgram(file: string): boolean {
  try {
    if (!statSync(file).isFile()) return false;
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
