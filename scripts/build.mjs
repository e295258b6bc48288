// Builds everything: libraries with tsc, the binary and the runner with rolldown, the page with vite.
import { copyFileSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { install } from './install.mjs';
import { bin, main, must, root } from './run.mjs';

const server = join(root, 'packages/server');
const cli = join(root, 'packages/cli');
const viewer = join(root, 'packages/viewer');
const stamp = join(server, 'dist/.built');

/** What a build is made of. */
const SOURCES = ['packages', 'package-lock.json', 'tsconfig.base.json', 'tsconfig.json', 'scripts'];
/** What a build writes, and what is not read by it. */
const NOT_SOURCES = new Set(['node_modules', 'dist', 'assets', '.vite']);

/** Native packages, large ones, and what loads files of its own at run time: found in node_modules when the program runs. */
const EXTERNAL = [
  /^@lydell\/node-pty/,
  /^@photostructure\/sqlite/,
  'node-gyp-build',
  'pino',
  'pino-pretty',
  'jsonc-parser',
  '@swc/wasm-typescript',
];

/**
 * Leaves out the error messages of zod in 50 other languages. A namespace that is passed on as a value cannot be cut down
 * by the bundler, and each start of a gateway would parse 220 kB of them.
 */
const ENGLISH_ONLY = {
  name: 'english-only',
  resolveId: (source, importer) =>
    importer?.includes('/node_modules/zod/') && source.endsWith('/locales/index.js')
      ? join(dirname(importer), source, '../en.js')
      : null,
};

/** Files in dist/ that are copies of sources of other packages. */
const COPIED = new Set(['plugin.d.ts']);

/** Builds if any source is newer than the last whole build. */
export async function buildIfNeeded() {
  const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (newest(SOURCES.map((path) => join(root, path))) > built) await build();
}

export async function build() {
  const started = Date.now();
  rmSync(stamp, { force: true });
  await compile();
  await bundle();
  // For `binnacle plugin new --ts`: types alone, which any compiler takes as declarations.
  copyFileSync(join(root, 'packages/plugin/src/index.ts'), join(cli, 'dist/plugin.d.ts'));
  await buildViewer();
  writeFileSync(stamp, '');
  // A source that was saved while we built belongs to the next build.
  utimesSync(stamp, started / 1000, started / 1000);
  console.error(`Built in ${((Date.now() - started) / 1000).toFixed(1)} s.`);
}

async function compile() {
  await must(bin('tsc'), [
    '-b',
    'packages/protocol',
    'packages/client',
    'packages/client/tsconfig.react.json',
    'packages/emit',
    'packages/plugin',
    'packages/mock-llm',
    'packages/server',
    'packages/cli',
  ]);
  for (const name of readdirSync(join(root, 'packages'))) removeStale(join(root, 'packages', name));
}

/** Removes what the compiler has made of sources that were moved or removed since: all of dist/ is packed. */
function removeStale(folder) {
  const dist = join(folder, 'dist');
  if (!existsSync(dist)) return;
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const source = /^(.*)(?:\.js|\.d\.ts)(?:\.map)?$/.exec(name)?.[1];
    if (source === undefined || COPIED.has(name)) continue;
    const isThere = ['.ts', '.tsx'].some((extension) => existsSync(join(folder, 'src', source + extension)));
    if (!isThere) rmSync(join(dist, name));
  }
}

/** What rolldown makes. Shared with dev.mjs, which watches the same. */
export function bundles() {
  const common = {
    platform: 'node',
    external: EXTERNAL,
    plugins: [ENGLISH_ONLY],
    resolve: { alias: { '@binnacle/protocol': join(root, 'packages/protocol/src/index.ts') } },
    // Comments and whitespace only: names stay, so that a stack can be read.
    transform: { target: 'node20.19' },
  };
  // All of the server in one folder, where its sources look for `runner.mjs` and the page (`../assets`) as well.
  // V8 keeps a source of ASCII alone in one byte a character, any other in two: the gateway has 2 MB of code. Comments
  // are not escaped, so only licences stay.
  const oneByte = { charset: 'ascii', comments: { legal: true, jsdoc: false, annotation: false } };
  const output = { dir: join(server, 'dist'), format: 'esm', sourcemap: true, minify: false, ...oneByte };
  const inParts = { entryFileNames: '[name].mjs', chunkFileNames: 'part-[name]-[hash].mjs' };
  const entries = [
    {
      ...common,
      external: [...EXTERNAL, '@binnacle/protocol'],
      input: entryPoints(),
      output: { ...output, ...inParts },
    },
    commandLine({ ...output, ...inParts, dir: join(cli, 'dist') }),
    {
      ...common,
      input: { runner: join(server, 'src/runner/main.ts') },
      // One file without lazy parts: a runner outlives the installation that it was started from.
      output: { ...output, entryFileNames: '[name].mjs', codeSplitting: false },
    },
    {
      ...common,
      input: { 'search-index': join(server, 'src/search/worker.ts') },
      output: { ...output, entryFileNames: '[name].mjs', codeSplitting: false },
    },
    {
      ...common,
      input: { 'session-screens': join(server, 'src/screen/worker.ts') },
      output: { ...output, entryFileNames: '[name].mjs', codeSplitting: false },
    },
    {
      ...common,
      input: { hook: join(server, 'src/reporting/hook-main.ts') },
      // Small: agents wait for nothing, but it starts at each of their events.
      output: { ...output, entryFileNames: '[name].mjs', codeSplitting: false },
    },
    {
      ...common,
      input: { 'plugin-types': join(server, 'src/plugins/install/type-worker.ts') },
      output: { ...output, entryFileNames: '[name].mjs', codeSplitting: false },
    },
    {
      ...common,
      input: { 'plugin-runtime': join(server, 'src/plugins/runtime/plugin-runtime.ts') },
      // One file: it is all of the installation that a plugin's process can see.
      output: { ...output, entryFileNames: '[name].mjs', codeSplitting: false },
    },
  ];
  return entries.filter((entry) => Object.values(entry.input).every((path) => existsSync(path)));
}

/** Returns the bundles that package.json of the server exports, by name. */
function entryPoints() {
  const folder = join(server, 'src/entry-points');
  const names = readdirSync(folder).filter((name) => !/\.(test|fixture)\.ts$/.test(name));
  const inFolder = names.map((name) => [name.replace(/\.ts$/, ''), join(folder, name)]);
  return { server: join(server, 'src/index.ts'), ...Object.fromEntries(inFolder) };
}

/**
 * The bundle of the command line. The server is loaded by the commands that need it. The protocol is shared with it: an
 * error that the server throws is of the class that a command compares it with.
 */
export const commandLine = (output) => ({
  platform: 'node',
  external: [/^@binnacle\/server(\/|$)/, '@binnacle/protocol'],
  resolve: {
    alias: {
      '@binnacle/emit': join(root, 'packages/emit/src/index.ts'),
      '@binnacle/client': join(root, 'packages/client/src/index.ts'),
    },
  },
  transform: { target: 'node20.19' },
  input: { binnacle: join(cli, 'src/main.ts') },
  output,
});

async function bundle() {
  const { rolldown } = await import('rolldown');
  const written = new Set();
  for (const { output, ...input } of bundles()) {
    const bundled = await rolldown(input);
    for (const part of (await bundled.write(output)).output) written.add(join(output.dir, part.fileName));
    await bundled.close();
  }
  // Old parts go after the new ones are there: a program that starts meanwhile finds one set or the other.
  for (const dist of [join(server, 'dist'), join(cli, 'dist')]) {
    for (const name of readdirSync(dist).filter((name) => /\.mjs(\.map)?$/.test(name))) {
      if (!written.has(join(dist, name.replace(/\.map$/, '')))) rmSync(join(dist, name));
    }
  }
}

async function buildViewer() {
  const config = ['vite.config.ts', 'vite.config.js', 'vite.config.mjs'].find((name) => existsSync(join(viewer, name)));
  if (config === undefined) return;
  const { build: vite } = await import('vite');
  await vite({
    root: viewer,
    configFile: join(viewer, config),
    logLevel: 'warn',
    build: { outDir: join(server, 'assets'), emptyOutDir: true },
  });
}

/** The latest change below these paths, directories included: a removed file changes its directory. */
function newest(paths) {
  let latest = 0;
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    // The package directories change whenever dist/ is made, so only what is in them counts.
    const isPackage = stat.isDirectory() && /^packages(\/[^/]+)?$/.test(relative(root, path));
    if (!isPackage) latest = Math.max(latest, stat.mtimeMs);
    if (!stat.isDirectory()) continue;
    const names = readdirSync(path).filter((name) => !NOT_SOURCES.has(name) && !name.endsWith('.test.ts'));
    latest = Math.max(latest, newest(names.map((name) => join(path, name))));
  }
  return latest;
}

await main(import.meta, async () => {
  await install();
  await build();
});
