// `binnacle import`: creates a session from a recording, in a file or on stdin.

import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { ImportedRecording } from '@binnacle/client';
import { defined } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { EXIT, usage } from '../output/failure.ts';
import { Progress } from '../output/progress.ts';
import { printable } from '../output/style.ts';

export async function importRecording(file: string, options: Options<'import'>): Promise<number> {
  if (file === '-' && process.stdin.isTTY === true)
    throw usage('There is nothing to import.', 'Name a file, or pipe one: binnacle import - < demo.cast');
  const source = file === '-' ? process.stdin : await opened(file);
  const progress = new Progress('sent', false);
  const { name, input = false } = options;
  let imported: ImportedRecording;
  try {
    imported = await withClient(options, (client) =>
      client.recordings.import(bodyOf(source, progress), { input, ...defined({ name }) }),
    );
  } finally {
    progress.end();
    source.destroy();
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(imported)}\n`);
  else {
    process.stdout.write(`${imported.session.id}\n`);
    for (const note of notesOf(imported)) process.stderr.write(`binnacle: ${note}\n`);
  }
  return EXIT.ok;
}

/** Lists the differences between the session and the file. */
export function notesOf({ recording, session }: ImportedRecording): readonly string[] {
  const { events, skipped, inputDropped, timesMended, isCut } = recording;
  const notes = [
    [skipped, `${counted(skipped, 'event')} of an unknown kind or without meaning left out`],
    [
      inputDropped,
      `${counted(inputDropped, 'event')} of input left out; --input keeps them, for everyone who may see the session`,
    ],
    [timesMended, `${counted(timesMended, 'time')} that went backwards, corrected`],
    [isCut ? 1 : 0, 'the last line was incomplete, and was left out'],
  ] as const;
  const remarks = notes.filter(([count]) => count > 0).map(([, note]) => note);
  return [`${counted(events, 'event')} as "${printable(session.name)}"`, ...remarks];
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** Opens the file. Throws for a missing file before the gateway is contacted. */
async function opened(file: string): Promise<Readable> {
  const isFile = statSync(file, { throwIfNoEntry: false });
  if (isFile === undefined) throw usage(`There is no file ${file}.`);
  if (isFile.isDirectory()) throw usage(`${file} is a directory.`);
  const stream = createReadStream(file);
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', (error) => reject(usage(`${file} cannot be read: ${error.message}`)));
  });
  return stream;
}

function bodyOf(source: Readable, progress: Progress): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const read = (await chunks.next()) as IteratorResult<Uint8Array>;
      if (read.done === true) controller.close();
      else {
        progress.add(read.value.length);
        controller.enqueue(read.value);
      }
    },
  });
}
