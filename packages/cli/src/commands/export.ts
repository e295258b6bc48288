// `binnacle export`: writes a session or a conversation to a file. Never overwrites a file unasked, and leaves no
// partial file.

import {
  createWriteStream,
  existsSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  type WriteStream,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Binnacle } from '@binnacle/client';
import { defined, EXPORT_FORMATS, type ExportFormat, isConversationKey } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { Progress } from '../output/progress.ts';
import { writeTo } from '../terminal/terminal.ts';

const BY_EXTENSION: Readonly<Record<string, ExportFormat>> = {
  '.cast': 'cast',
  '.log': 'text',
  '.txt': 'text',
  '.jsonl': 'jsonl',
  '.md': 'markdown',
};
const LF = 0x0a;

export async function exportSession(named: string | undefined, options: Options<'export'>): Promise<number> {
  const { idOrName, version } = castOf(named, options);
  const format = formatOf(options);
  const target = options.output === undefined || options.output === '-' ? new Stdout() : FileTarget.open(options);
  const progress = new Progress('exported', target.isTerminal);
  const interrupt = new AbortController();
  const stop = () => {
    // With --follow Ctrl-C ends the export and keeps the output so far.
    if (options.follow === true && !interrupt.signal.aborted) {
      interrupt.abort();
      return;
    }
    target.drop();
    process.exit(EXIT.interrupted);
  };
  process.on('SIGINT', stop);
  try {
    await withClient(options, async (client) => {
      const chunks = await chunksOf(client, idOrName, { format, version }, options, interrupt.signal);
      await (options.follow === true ? copyLines : copy)(chunks, target, progress, interrupt.signal);
    });
    await target.finish();
    return interrupt.signal.aborted ? EXIT.interrupted : EXIT.ok;
  } catch (error) {
    target.drop();
    throw error;
  } finally {
    progress.end();
    process.off('SIGINT', stop);
  }
}

async function chunksOf(
  client: Binnacle,
  idOrName: string,
  { format, version }: { readonly format: ExportFormat | undefined; readonly version: 2 | 3 | undefined },
  options: Options<'export'>,
  signal: AbortSignal,
): Promise<AsyncGenerator<Uint8Array>> {
  const { input = false, follow = false } = options;
  if (isConversationKey(idOrName)) {
    if (format === 'cast' || format === 'text')
      throw usage(`A conversation cannot be exported as ${format}.`, 'Pass --markdown or --jsonl.');
    return client.recordings.exportConversation(idOrName, format);
  }
  const { id } = await findSession(client, idOrName);
  const idleLimit = idleLimitOf(options.idleLimit);
  return client.recordings.export(id, { ...{ input, follow, signal }, ...defined({ format, version, idleLimit }) });
}

/**
 * Parses --cast. `--cast build` names the session and no version: compatibility from before there were two versions.
 */
function castOf(
  named: string | undefined,
  { cast }: Options<'export'>,
): { readonly idOrName: string; readonly version: 2 | 3 | undefined } {
  const isVersion = named !== undefined && (cast === '2' || cast === '3');
  if (typeof cast === 'string' && !isVersion && named !== undefined) {
    throw usage(`asciicast version "${cast}" cannot be written.`, 'Pass --cast 2 or --cast 3.');
  }
  const idOrName = named ?? (typeof cast === 'string' ? cast : undefined);
  if (idOrName === undefined) throw usage('No session is named.', 'For example: binnacle export build -o build.cast');
  return { idOrName, version: isVersion ? (Number(cast) as 2 | 3) : undefined };
}

/** Returns the format; undefined for the default of a session or conversation. */
function formatOf(options: Options<'export'>): ExportFormat | undefined {
  const [format, ...more] = EXPORT_FORMATS.filter((name) => options[name] !== undefined);
  if (more.length > 0) throw usage('Pass one of --cast, --text, --jsonl and --markdown.');
  if (format !== undefined) return format;
  const extension = extname(options.output ?? '').toLowerCase();
  const known = BY_EXTENSION[extension];
  if (known === undefined && extension !== '')
    throw usage(`No format has the extension ${extension}.`, 'Pass one of --cast, --text, --jsonl and --markdown.');
  return known;
}

function idleLimitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,5}(\.\d{1,3})?s?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= 86_400))
    throw usage(`"${text}" is not a number of seconds.`, 'For example: --idle-limit 2');
  return seconds;
}

async function copy(chunks: AsyncGenerator<Uint8Array>, target: ExportTarget, progress: Progress): Promise<void> {
  for await (const chunk of chunks) {
    await target.write(chunk);
    progress.add(chunk.length);
  }
}

/** Copies whole lines, so that an interrupted export ends with a whole line. */
async function copyLines(
  chunks: AsyncGenerator<Uint8Array>,
  target: ExportTarget,
  progress: Progress,
  interrupted: AbortSignal,
): Promise<void> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) await target.write(Buffer.concat([rest, chunk.subarray(0, end)]));
    rest = end > 0 ? chunk.subarray(end) : Buffer.concat([rest, chunk]);
    progress.add(chunk.length);
  }
  if (!interrupted.aborted) await target.write(rest);
}

interface ExportTarget {
  readonly isTerminal: boolean;
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  drop(): void;
}

class Stdout implements ExportTarget {
  readonly isTerminal = process.stdout.isTTY === true;

  write(bytes: Uint8Array): Promise<void> {
    return writeTo(process.stdout, bytes);
  }

  async finish(): Promise<void> {}

  drop(): void {}
}

/** Writes to a temporary file beside the target; the target appears only when it is complete. */
class FileTarget implements ExportTarget {
  readonly isTerminal = false;
  readonly #path: string;
  readonly #aside: string;
  readonly #force: boolean;
  readonly #stream: WriteStream;
  #failure: Error | undefined;

  /** Opens the target. Throws if the file exists, unless --force is given. */
  static open({ output = '', force = false }: Options<'export'>): ExportTarget {
    const found = lstatSync(output, { throwIfNoEntry: false });
    // A device or a pipe may be written directly, also through a link, such as /dev/stdout and a shell's >(…).
    const behind = found?.isSymbolicLink() === true ? statSync(output, { throwIfNoEntry: false }) : found;
    const isDevice = behind !== undefined && !behind.isFile() && !behind.isDirectory();
    if (behind?.isDirectory() === true) throw usage(`${output} is a directory.`, 'Name a file in this directory.');
    if (found !== undefined && !isDevice && !force) throw taken(output);
    if (!existsSync(dirname(output))) throw usage(`There is no directory ${dirname(output)}.`);
    return new FileTarget(output, isDevice ? undefined : force);
  }

  private constructor(path: string, force: boolean | undefined) {
    this.#path = path;
    this.#force = force === true;
    this.#aside = force === undefined ? path : join(dirname(path), `.${shortName(path)}.${process.pid}.part`);
    // Opened synchronously: a later open could create the file after a `drop`.
    const fd = openSync(this.#aside, force === undefined ? 'w' : 'wx');
    this.#stream = createWriteStream(this.#aside, { fd });
    this.#stream.on('error', (error) => {
      this.#failure = error;
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#broken(this.#failure);
    if (bytes.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => (error == null ? resolve() : reject(this.#broken(error))));
    });
  }

  async finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#stream.once('close', resolve);
      this.#stream.end();
    });
    if (this.#failure !== undefined) throw this.#broken(this.#failure);
    if (this.#aside === this.#path) return;
    if (this.#force) renameSync(this.#aside, this.#path);
    else {
      try {
        // Fails if the file was created meanwhile.
        linkSync(this.#aside, this.#path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw taken(this.#path);
        if (existsSync(this.#path)) throw taken(this.#path);
        // A file system without hard links.
        renameSync(this.#aside, this.#path);
        return;
      }
      rmSync(this.#aside, { force: true });
    }
  }

  drop(): void {
    this.#stream.destroy();
    if (this.#aside !== this.#path) rmSync(this.#aside, { force: true });
  }

  #broken(cause: Error): Failure {
    return new Failure(EXIT.failed, `${this.#path} cannot be written: ${cause.message}`, undefined, cause);
  }
}

/** Shortens the name so that the temporary name stays valid: at most 255 bytes, and a character has up to 4. */
const shortName = (path: string): string => [...basename(path)].slice(0, 50).join('');

const taken = (path: string): Failure => usage(`${path} already exists.`, 'Name another file, or pass --force.');
