// Loaded before a program with --import: its clock is behind by $BINNACLE_TEST_BEHIND_MS, so that nothing is too old.

const behindMs = Number(process.env.BINNACLE_TEST_BEHIND_MS ?? 0);
const now = Date.now;
Date.now = () => now() - behindMs;
