// Templates of `binnacle plugin new`: a working plugin of each kind, in JavaScript or TypeScript. Pure.

import { MANIFEST_FILE } from '@binnacle/server/plugin-manifest';
import type { Options } from '../declarations/commands.ts';
import { VERSION } from '../version.ts';

export type PluginKind = Options<'plugin new'>['kind'];

/** Types file; like all *.d.ts it is left out of the install. */
const TYPES_FILE = 'plugin.d.ts';

interface Template {
  readonly description: string;
  readonly permissions: Readonly<Record<string, object>>;
  /** Body of the entry, the same in both languages. */
  readonly body: string;
  readonly tryIt: string;
}

const TEMPLATES: Record<PluginKind, (id: string) => Template> = {
  tool: (id) => ({
    description: 'A tool for agents that tells the time.',
    permissions: { tools: { reason: 'To offer the tool now.', names: ['now'] } },
    body: `  api.tool({
    name: 'now',
    description: 'Tells the time. Use it whenever you need to know what time it is.',
    readOnly: true,
    run: () => new Date().toISOString(),
  });`,
    tryIt: `Agents have the tool \`${id}_now\` over MCP. Without one: \`binnacle plugin test --tool now\`.`,
  }),
  channel: (id) => ({
    description: 'Brings messages in over HTTP, and prints the answers.',
    permissions: {
      channels: { reason: 'To bring messages to agents.', names: [id] },
      httpRoutes: { reason: 'To be reached at POST /message.' },
    },
    body: `  const inlet = api.channel({
    name: '${id}',
    send: ({ to, text }) => console.log(\`\${to}: \${text}\`),
  });
  api.route('POST', '/message', async ({ body }) => {
    const { from, text } = JSON.parse(new TextDecoder().decode(body));
    const peer = { kind: 'direct'PEER, id: String(from) };
    return { status: 202, body: { ...(await inlet.receive({ text: String(text), peer, replyTo: String(from) })) } };
  });`,
    tryIt: `Send a message, and see the answer in \`binnacle plugin logs ${id}\`:\n\n\`\`\`sh\ncurl -H "Authorization: Bearer $BINNACLE_TOKEN" $BINNACLE_URL/plugins/${id}/message -d '{"from": "me", "text": "hello"}'\n\`\`\``,
  }),
  notification: () => ({
    description: 'Notifies you when an agent waits for you.',
    permissions: {
      hooks: { reason: 'To know when an agent waits.', on: ['agentWaits'] },
      notify: { reason: 'To notify you.' },
    },
    body: `  api.hook('agentWaits', async ({ title, detail }) => {
    await api.notify({ title: \`An agent waits: \${title}\`, text: detail });
  });`,
    tryIt: 'Have an agent ask for approval: the viewer shows the notice.',
  }),
  hook: () => ({
    description: 'Keeps a word from agents.',
    permissions: { hooks: { reason: 'To look at messages before agents get them.', on: ['beforeRun'] } },
    body: `  api.hook(
    'beforeRun',
    ({ text }) => (/\\bpassword\\b/i.test(text) ? { veto: 'Passwords are not sent to agents.' } : undefined),
    { onFailure: 'closed' },
  );`,
    tryIt: "`binnacle chat -m 'my password is 1234'` is refused with the reason.",
  }),
};

/** Returns the files by path. `types`: the API's types, for a plugin in TypeScript. */
export function templateOf(kind: PluginKind, id: string, types: string | undefined): Record<string, string> {
  const isTyped = types !== undefined;
  const template = TEMPLATES[kind](id);
  const entry = isTyped ? 'index.ts' : 'index.mjs';
  const { description, permissions } = template;
  const manifest = { id, version: '0.1.0', name: id, description, entry, permissions };
  return {
    [MANIFEST_FILE]: `${JSON.stringify(manifest, undefined, 2)}\n`,
    [entry]: entryOf(template, isTyped),
    'README.md': readme(id, template, isTyped),
    ...(isTyped ? typedFiles(id, types) : {}),
  };
}

function entryOf({ description, body }: Template, isTyped: boolean): string {
  const text = body.replace('PEER', isTyped ? ' as const' : '');
  return isTyped
    ? `// ${description}\n\nimport type { PluginApi } from '@binnacle/plugin';\n\nexport default (api: PluginApi): void => {\n${text}\n};\n`
    : `// ${description}\n\n/** @type {import('@binnacle/plugin').Plugin} */\nexport default (api) => {\n${text}\n};\n`;
}

/**
 * Returns the TypeScript files. The install strips types and compiles nothing, so the compiler is configured to check
 * only. The API's types are included, so that no registry is needed.
 */
function typedFiles(id: string, types: string): Record<string, string> {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'dom'],
    module: 'nodenext',
    types: [],
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    paths: { '@binnacle/plugin': [`./${TYPES_FILE}`] },
  };
  const described = {
    name: id,
    private: true,
    type: 'module',
    scripts: { check: 'tsc' },
    devDependencies: { typescript: '>=5.8' },
  };
  return {
    'tsconfig.json': `${JSON.stringify({ compilerOptions, include: ['*.ts'] }, undefined, 2)}\n`,
    [TYPES_FILE]: `// The API of Binnacle ${VERSION}, for the compiler. Not installed with the plugin.\n\n${types}`,
    'package.json': `${JSON.stringify(described, undefined, 2)}\n`,
    '.gitignore': 'node_modules/\n',
  };
}

const readme = (id: string, { description, tryIt }: Template, isTyped: boolean): string => `# ${id}

${description}

\`\`\`sh
binnacle plugin test .      # loads the plugin isolated, without a gateway
binnacle plugin dev .       # in the running gateway, again after each change
binnacle plugin install .
\`\`\`
${isTyped ? '\n`npm install && npm run check` lets the compiler check the types, which are in `plugin.d.ts`.\n' : ''}
${tryIt}
`;
