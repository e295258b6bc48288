import type { ShareInfo } from '@binnacle/client';
import { expect, it } from 'vitest';
import { auditText, shareStatusText } from './format.ts';

const NOW = 1_700_000_000_000;
const LINK: ShareInfo = {
  ...{ id: 'x', label: '', session: 's', conversation: null, mode: 'view', state: 'open', uses: null, used: 0 },
  ...{ by: 'ada', createdAt: NOW, expiresAt: NOW + 3 * 3600_000, revokedAt: null, revokedBy: null, viewers: [] },
};

it('says how a link stands: how often it was opened, until when, and why it has ended', () => {
  expect(shareStatusText(LINK, NOW)).toBe('opened by nobody yet · ends in 3 hours');
  expect(shareStatusText({ ...LINK, used: 2 }, NOW)).toBe('opened 2 times · ends in 3 hours');
  expect(shareStatusText({ ...LINK, used: 1, uses: 1, state: 'used_up' }, NOW)).toBe(
    'opened 1 of 1 time; lets nobody else in · ends in 3 hours',
  );
  expect(shareStatusText({ ...LINK, state: 'expired', used: 1 }, NOW)).toBe('expired · opened once');
  expect(shareStatusText({ ...LINK, state: 'revoked', revokedBy: 'ada' }, NOW)).toBe('revoked by ada');
});

it('tells what was done with it, and a refusal by its reason', () => {
  const deed = { at: NOW, address: null };
  expect(auditText({ ...deed, what: 'made', by: 'ada' })).toBe('Made by ada');
  expect(auditText({ ...deed, what: 'redeemed', by: 'Bea (guest)' })).toBe('Opened by Bea (guest)');
  expect(auditText({ ...deed, what: 'refused', by: 'share_expired' })).toBe(
    'Somebody was refused: The share link has expired.',
  );
  expect(auditText({ ...deed, what: 'refused', by: 'of a newer version' })).toBe(
    'Somebody was refused: of a newer version',
  );
});
