// The manifest, binnacle.plugin.json: the description of a plugin and the permissions that it requests, before any of
// its code has run.

import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError, hiddenLetter } from '@binnacle/protocol';
import { z } from 'zod';
import { isPluginId, MAX_ID } from '../../config/plugin-id.ts';
import { type Grant, type Grants, readGrant, spellGrant } from '../grant/grants.ts';
import { isPermission, PERMISSION_NAMES, type PermissionName } from '../grant/permissions.ts';
import { type ConfigSchema, readConfigSchema } from './config-schema.ts';
import { readStrictJson } from './strict-json.ts';

export const MANIFEST_FILE = 'binnacle.plugin.json';
/** Maximum bytes: a person has to read the manifest. */
const MAX_BYTES = 64 * 1024;
const MAX_DEPTH = 24;

export interface RequestedPermission {
  readonly grant: Exclude<Grant, { readonly kind: 'denied' }>;
  /** One line, for the person who gives consent. */
  readonly reason: string;
}

export interface Manifest {
  readonly id: string;
  readonly version: string;
  readonly name: string;
  readonly description: string;
  /** Path below the folder, with `/`. The reader of the folder checks that the file exists. */
  readonly entry: string;
  readonly asks: ReadonlyMap<PermissionName, RequestedPermission>;
  readonly config: ConfigSchema | undefined;
}

const NUMBER = '(?:0|[1-9][0-9]{0,8})';
const VERSION = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?(?:\\+[0-9A-Za-z.-]+)?$`,
);
/** Pattern of an entry. No segment begins with a dot: neither `..` nor hidden files. */
const ENTRY = /^(?:\.\/)?(?:[A-Za-z0-9_@-][A-Za-z0-9_@.-]*\/)*[A-Za-z0-9_@-][A-Za-z0-9_@.-]*\.(?:js|mjs|cjs|ts|mts)$/;
const line = (max: number) => z.string().trim().min(1).max(max).refine(isSeen, 'one line of visible characters');

const Shape = z.strictObject({
  $schema: z.string().max(500).optional(),
  id: z.string().refine(isPluginId, `1 to ${MAX_ID} of a-z, 0-9 and single -, beginning with a letter`),
  version: z.string().max(100).regex(VERSION, 'a version such as 1.2.3'),
  name: line(80).optional(),
  description: line(400).optional(),
  entry: z
    .string()
    .max(200)
    .regex(ENTRY, 'a .js, .mjs, .cjs, .ts or .mts file below the folder, e.g. index.js')
    .transform((path) => path.replace(/^\.\//, '')),
  permissions: z.custom<Record<string, unknown>>(isObject, 'an object').optional(),
  config: z.unknown().optional(),
});
const Reason = z.object({ reason: line(300) });

/** Parses a manifest. Throws `bad_manifest`. */
export function readManifest(bytes: Uint8Array): Manifest {
  const json = readStrictJson(bytes, { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH });
  if ('wrong' in json) throw bad('', json.wrong);
  const read = Shape.safeParse(json.value);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw bad(issue?.path.join('.') ?? '', issue?.message ?? 'it is wrong');
  }
  const { id, version, entry, name = id, description = '', permissions = {}, config } = read.data;
  const asks = new Map(
    Object.entries(permissions).map(([permission, request]) => readRequestedPermission(permission, request)),
  );
  return Object.freeze({ id, version, name, description, entry, asks, config: configOf(config) });
}

/** Reads the manifest of a folder. Throws `bad_manifest`. */
export const readManifestIn = async (dir: string): Promise<Manifest> => readManifest(await manifestBytes(dir));

/** Reads the bytes of the manifest, without following a link. Throws `bad_manifest`. */
export async function manifestBytes(dir: string): Promise<Uint8Array> {
  const path = join(dir, MANIFEST_FILE);
  // Opening a FIFO of that name would otherwise block until a writer comes.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? noManifest(dir) : unreadable(path, error);
    },
  );
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw bad('', `${path} is no file`);
    if (stat.size > MAX_BYTES) throw bad('', `it has ${stat.size} bytes; ${MAX_BYTES} are taken`);
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0; length += read) {
      read = (await file.read(buffer, length, buffer.length - length, length)).bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

/**
 * Checks that a folder has a manifest. Call before other checks: for a wrong path, that is the helpful error. Throws
 * `bad_manifest`.
 */
export async function findManifest(dir: string): Promise<void> {
  const path = join(dir, MANIFEST_FILE);
  await lstat(path).catch(async (error: unknown) => {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw unreadable(path, error);
    if (
      await lstat(dir).then(
        () => true,
        () => false,
      )
    )
      throw noManifest(dir);
    throw new BinnacleError('bad_manifest', { message: `There is no folder ${dir}.`, hint: BEGIN });
  });
}

const BEGIN =
  '`binnacle plugin new DIR` creates a folder with a plugin; docs/writing-a-plugin.md shows how to write a plugin.';

const noManifest = (dir: string): BinnacleError =>
  new BinnacleError('bad_manifest', { message: `There is no ${MANIFEST_FILE} in ${dir}.`, hint: BEGIN });

const unreadable = (path: string, cause: unknown): BinnacleError =>
  new BinnacleError('bad_manifest', { message: `${path} cannot be read: ${codeOf(cause)}.`, cause });

/** Returns the requested permissions without the reasons. */
export const requestedGrants = ({ asks }: Manifest): Grants =>
  new Map(Array.from(asks, ([name, { grant }]) => [name, grant]));

/** Returns grants in the form of the manifest, which is also the stored form of the consent. */
export const spellGrants = (grants: Grants): Record<string, ReturnType<typeof spellGrant>> =>
  Object.fromEntries(Array.from(grants, ([name, grant]) => [name, spellGrant(name, grant)]));

function readRequestedPermission(name: string, value: unknown): [PermissionName, RequestedPermission] {
  const at = `permissions.${name}`;
  if (!isPermission(name)) throw bad(at, `there is no such permission; one of ${PERMISSION_NAMES.join(', ')}`);
  const reason = Reason.safeParse(value);
  if (!isObject(value) || !reason.success) {
    throw bad(at, 'an object with a reason of one line, e.g. {"reason": "To tell you when a build is done."}');
  }
  const { reason: _, ...rest } = value;
  const read = readGrant(name, Object.keys(rest).length === 0 ? true : rest);
  if ('wrong' in read) throw bad(at, read.wrong);
  if (read.grant.kind === 'denied') throw bad(at, 'leave out what is not needed');
  return [name, { grant: read.grant, reason: reason.data.reason }];
}

function configOf(value: unknown): ConfigSchema | undefined {
  if (value === undefined) return undefined;
  const read = readConfigSchema(value);
  if ('wrong' in read) throw bad('', read.wrong);
  return read.schema;
}

function bad(at: string, what: string): BinnacleError {
  const message = `${MANIFEST_FILE}${at === '' ? '' : `, ${at}`}: ${what}.`;
  return new BinnacleError('bad_manifest', { message, details: { field: at } });
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Marks without a letter, or more marks on one letter than any script has: they cover the lines around. */
const LOOSE_MARKS = /(?:^|\s)\p{M}|\p{M}{5}/u;

/**
 * Returns true for one line of visible text. A person consents to what they see: hidden characters, or characters that
 * change the direction of text, could obtain consent to something else.
 */
function isSeen(text: string): boolean {
  return hiddenLetter(text) === undefined && !/[\n\t]/.test(text) && !LOOSE_MARKS.test(text);
}
