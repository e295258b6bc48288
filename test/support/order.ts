// The order of the test files: the same on each machine, with kinds of work mixed.
//
// Vitest sorts by the times of earlier runs, which a fresh clone does not have, and then by size. Both put the tests of the
// browser side by side, which need the processor, and leave those that wait for the end, when the processor has nothing
// to do.

import { statSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Files that take minutes, most of them waiting. They begin in the first half, so that the run does not end with them. */
const LONG = /\/test\/live\/|\.all\.test\.ts$/;

export class MixedSequencer extends BaseSequencer {
  /** Takes each folder's files evenly over the whole run, large files first. */
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const folders = new Map<string, TestSpecification[]>();
    for (const file of files) {
      const folder = relative(ROOT, dirname(file.moduleId));
      folders.set(folder, [...(folders.get(folder) ?? []), file]);
    }
    const placed = [...folders].flatMap(([folder, members]) => {
      const bySize = members
        .map((file) => ({ file, bytes: statSync(file.moduleId).size }))
        .sort((a, b) => b.bytes - a.bytes || a.file.moduleId.localeCompare(b.file.moduleId));
      return bySize.map(({ file }, at) => {
        const place = (at + 0.5) / members.length;
        return { file, folder, place: LONG.test(file.moduleId) ? place / 2 : place };
      });
    });
    return placed.sort((a, b) => a.place - b.place || a.folder.localeCompare(b.folder)).map(({ file }) => file);
  }
}
