/**
 * U17: equal agents that all want more than they can get are served alike. Measured where demand is equal (contention
 * worlds), when half of it has been acknowledged.
 */
import type { AgentId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import { jainIndex } from '../jain-index.ts';
import type { Observation } from '../world.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

/** What must hold (U17). */
const LEAST_JAIN_INDEX = 0.95;

export class FairnessChecker implements Checker {
  readonly #demandBytes = new Map<string, number>();
  readonly #servedBytes = new Map<AgentId, number>();
  #wholeBytes = 0;
  #acknowledgedBytes = 0;
  #isMeasured = false;

  observe(observation: Observation): void {
    if (observation.type === 'block_queued') {
      const { id, rawBytes } = observation.header;
      this.#demandBytes.set(blockKey(id), rawBytes);
      this.#servedBytes.set(id.agentId, 0);
      this.#wholeBytes += rawBytes;
    }
    if (observation.type !== 'agent_step' || observation.event.type !== 'block_acknowledged') return;
    const { blockId } = observation.event;
    const rawBytes = this.#demandBytes.get(blockKey(blockId)) ?? 0;
    this.#demandBytes.delete(blockKey(blockId));
    this.#servedBytes.set(blockId.agentId, (this.#servedBytes.get(blockId.agentId) ?? 0) + rawBytes);
    this.#acknowledgedBytes += rawBytes;
    if (this.#isMeasured || this.#acknowledgedBytes * 2 < this.#wholeBytes) return;
    this.#isMeasured = true;
    const index = jainIndex([...this.#servedBytes.values()]);
    if (index < LEAST_JAIN_INDEX) {
      const served = [...this.#servedBytes].map(([agentId, bytes]) => `${agentId} ${bytes}`).join(', ');
      throw new CheckFailure(
        'fairness',
        `equal agents are not served alike: ${index.toFixed(3)} (${served})`,
      );
    }
  }
}
