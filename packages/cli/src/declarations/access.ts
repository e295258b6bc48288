// Declarations of the commands for access: share links and tokens.

import { SCOPES } from '@binnacle/protocol';
import { type CommandTable, GATEWAY } from './command.ts';

const SCOPE = {
  about: 'what the token allows; each of the first four includes those before it',
  choices: SCOPES,
} as const;

export const ACCESS = {
  share: {
    about: 'create a link that shows one session to anyone who has the link',
    takes: '<session>',
    ...GATEWAY,
    '--type': 'allow typing (default: only watch)',
    '--expires <duration>': 'how long the link is valid, e.g. 2h, at most 30d (default: 24h)',
    '--uses <n>': 'how many browsers may open the link (default: any number)',
    '--label <text>': 'a label for the link',
    '--qr': 'also print the link as a QR code',
    '--json': 'print JSON',
    help: `
A session can also be the key of a conversation (agent:...): the link then shows the conversation and its sessions. The
link shows nothing else of the gateway. It ends with the token that created it.
For example: binnacle share build --expires 2h --qr
             binnacle share ls
             binnacle share rm 0198f3`,
  },
  'share ls': {
    about: 'list share links and their watchers',
    ...GATEWAY,
    alias: 'list',
    '--all': 'include links that have ended',
    '--json': 'print JSON',
  },
  'share rm': {
    about: 'revoke share links, and disconnect their guests',
    takes: '<id...>',
    ...GATEWAY,
    alias: 'revoke',
  },
  token: {
    about: 'create, list and revoke tokens',
  },
  'token create': {
    about: 'create a token, and print it once',
    takes: '<name>',
    ...GATEWAY,
    '--scope <scope>': { ...SCOPE, default: 'view' },
    '--expires <duration>': 'how long the token is valid, e.g. 7d (default: until it is revoked)',
    '--user <name>': 'the person or bot that uses the token (default: a new user)',
    '--json': 'print JSON',
  },
  'token ls': {
    about: 'list tokens',
    ...GATEWAY,
    alias: 'list',
    '--json': 'print JSON',
  },
  'token revoke': {
    about: 'revoke a token with its logins and share links, in force at once',
    takes: '<id>',
    ...GATEWAY,
    '--issued <what>': {
      about: 'what happens to the tokens that it created (default: list them, and ask)',
      choices: ['revoke', 'keep'],
    },
  },
  'token link': {
    about: 'print a login link for a browser; it works once',
    ...GATEWAY,
    '--scope <scope>': SCOPE,
    '--json': 'print JSON',
  },
} as const satisfies CommandTable;
