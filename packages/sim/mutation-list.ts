/**
 * Rules broken on purpose: each a piece of source text and what it is replaced by. The simulation must notice every one of
 * them, or it proves less than it seems to.
 */
import { AGENT_MUTATIONS } from './agent-mutations.ts';
import { ASKING_MUTATIONS } from './asking-mutations.ts';
import { BOUNDS_MUTATIONS } from './bounds-mutations.ts';
import { IDENTITY_MUTATIONS } from './identity-mutations.ts';
import type { Mutation } from './mutation.ts';
import { SERVER_MUTATIONS } from './server-mutations.ts';

export const MUTATIONS: readonly Mutation[] = [
  ...AGENT_MUTATIONS,
  ...ASKING_MUTATIONS,
  ...SERVER_MUTATIONS,
  ...BOUNDS_MUTATIONS,
  ...IDENTITY_MUTATIONS,
];
