// Runs before each test file (vitest.config.ts, setupFiles).

import { closeAtEnd } from './teardown.ts';

closeAtEnd();
