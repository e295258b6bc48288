// The table of permissions as Markdown. The docs contain it, and a test compares the two.

import { PERMISSION_NAMES, permission } from './permissions.ts';

export const DOCS_BEGIN = '<!-- permissions: made from packages/server/src/plugins/grant/permissions.ts -->';
export const DOCS_END = '<!-- permissions: end -->';

export function permissionDocs(): string {
  const rows = PERMISSION_NAMES.map((name) => {
    const { sentence, lets, narrowing } = permission(name);
    const values =
      narrowing === null
        ? '`true`'
        : `\`true\`, or \`{"${narrowing.key}": ["${narrowing.example}"]}\`: ${narrowing.items}`;
    return `| \`${name}\` | ${cell(`Can ${sentence}. ${lets}`)} | ${cell(values)} |`;
  });
  return [DOCS_BEGIN, '| permission | what it allows | values |', '|---|---|---|', ...rows, DOCS_END].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
