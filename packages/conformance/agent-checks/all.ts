/** All checks of agents, in the order in which they are reported. */
import type { AgentWorld } from '../agent-world.ts';
import type { Check } from '../check.ts';
import { ANSWER_CHECKS } from './answers.ts';
import { ASKING_CHECKS } from './asking.ts';
import { GRANT_CHECKS } from './grants.ts';
import { ORDER_CHECKS } from './order.ts';
import { SILENCE_CHECKS } from './silence.ts';
import { VERSION_CHECKS } from './versions.ts';
import { WORKED_EXAMPLES } from './worked-examples.ts';

export const AGENT_CHECKS: readonly Check<AgentWorld>[] = [
  ...WORKED_EXAMPLES,
  ...ORDER_CHECKS,
  ...ASKING_CHECKS,
  ...GRANT_CHECKS,
  ...ANSWER_CHECKS,
  ...SILENCE_CHECKS,
  ...VERSION_CHECKS,
];
