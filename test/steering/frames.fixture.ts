// Moved to test/support/wire.ts. Goes when the last test has moved.

export * from '../support/wire.ts';
