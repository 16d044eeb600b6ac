/** All checks of servers, in the order in which they are reported. */
import type { Check } from '../check.ts';
import type { ServerWorld } from '../server-world.ts';
import { BLOCK_CHECKS } from './blocks.ts';
import { GRANTING_CHECKS } from './granting.ts';
import { HANDSHAKE_CHECKS } from './handshake.ts';
import { LAST_CHECKS, STREAM_CHECKS } from './streams.ts';

export const SERVER_CHECKS: readonly Check<ServerWorld>[] = [
  ...HANDSHAKE_CHECKS,
  ...GRANTING_CHECKS,
  ...BLOCK_CHECKS,
  ...STREAM_CHECKS,
  ...LAST_CHECKS,
];
