import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { HOOKED_AGENTS, type HookedAgent } from './agent-events.ts';
import { type HookFile, hookFileOf } from './hook-files.ts';

const fileOf = (agent: HookedAgent, isUser = true): HookFile =>
  hookFileOf(agent, isUser, { home: '/home/me', project: '/home/me/project', env: {} }) as HookFile;

const SETTINGS = `{
  // Mine.
  "theme": "dark",
  "hooks": {
    "Stop": [
      { "hooks": [{ "type": "command", "command": "notify-send done" }] } // and this
    ]
  }
}
`;
const TOML = `# Mine.
model = "x" # and this

[tui]
notifications = true
`;

describe('hooks in settings', () => {
  it.each(HOOKED_AGENTS)(
    'of %s: installed twice are as installed once, and uninstalled leave what was there',
    (agent) => {
      const file = fileOf(agent);
      const text = agent === 'codex' ? TOML : agent === 'opencode' ? '' : SETTINGS;
      const once = file.install(text);
      expect(once).toContain('BINNACLE_HOOK');
      expect(file.install(once)).toBe(once);
      // Settings beside ours may be laid out anew.
      const bare = (one: string | undefined) => one?.replaceAll(/\s+/g, '');
      expect(bare(file.uninstall(once))).toBe(agent === 'opencode' ? undefined : bare(text));
      expect(file.uninstall(text)).toBe(text);
    },
  );

  it('keep comments and the hooks of others, in the same event too', () => {
    const text = fileOf('claude').install(SETTINGS);
    expect(text).toContain('// Mine.');
    expect(text).toContain('// and this');
    expect(text).toContain('notify-send done');
    expect(text.match(/BINNACLE_HOOK claude|\\"\$BINNACLE_HOOK\\" claude/g)).toHaveLength(6);
  });

  it('that are older are replaced', () => {
    const file = fileOf('gemini');
    const old = '{"hooks":{"AfterAgent":[{"hooks":[{"type":"command","command":"$BINNACLE_HOOK old"}]}]}}';
    const text = file.install(old);
    expect(text).not.toContain('old');
    expect(file.install(text)).toBe(text);
  });

  it('stand at the top of a TOML file, and never in the place of another notify', () => {
    const file = fileOf('codex');
    const text = file.install(TOML);
    expect(text.indexOf('notify =')).toBeLessThan(text.indexOf('[tui]'));
    expect(() => file.install('notify = ["mine"]\n')).toThrow(/notify of its own/);
    for (const before of [
      'text = """\n[ ] one\n"""\n',
      "text = '''\n[x]\n'''\n",
      'pairs = [\n  [1, 2],\n]\n',
      '# a """\n',
    ]) {
      expect(() => file.install(`${before}notify = ["mine"]\n`), before).toThrow(/notify of its own/);
    }
    expect(() => file.install('text = """\nnotify = 1\n"""\n')).not.toThrow();
    expect(() => file.install('[profiles.x]\nnotify = ["mine"]\n')).not.toThrow();
    expect(hookFileOf('codex', false, { home: '/', project: '/', env: {} })).toBeUndefined();
  });

  it('of a file that is no JSON, or another plugin, are refused', () => {
    for (const text of ['[]', '{"a":', 'text']) expect(() => fileOf('qwen').install(text)).toThrow(/no JSON object/);
    expect(() => fileOf('opencode').install('export const Mine = 1;')).toThrow(/not ours/);
    expect(fileOf('opencode').uninstall('export const Mine = 1;')).toBe('export const Mine = 1;');
  });

  it.each(['claude', 'gemini', 'qwen'] as const)('of %s do nothing outside of a session, and fail nowhere', (agent) => {
    const [command = ''] = /\[ -z .*? \|\| true/.exec(JSON.parse(JSON.stringify(fileOf(agent).install('{}')))) ?? [];
    const script = JSON.parse(`"${command}"`) as string;
    expect(execFileSync('/bin/sh', ['-c', script], { env: {}, encoding: 'utf8', input: '' })).toBe('');
    const missing = { BINNACLE_HOOK: '/nowhere/hook' };
    expect(execFileSync('/bin/sh', ['-c', script], { env: missing, encoding: 'utf8', input: '' })).toBe('');
  });
});
