/**
 * A run as text: one line per observation, a hash over all of them (equal hashes: the same run), the latest ones kept
 * for people.
 */
import type { BlockHeader } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { Observation } from './world.ts';

/** Lines kept for a failure's report: some seconds of a busy world. */
const KEPT_LINES = 400;

export class Trace {
  readonly #lines: string[] = [];
  readonly #print: ((line: string) => void) | undefined;
  readonly #isOn: boolean;
  #next = 0;
  #low = 0x811c9dc5;
  #high = 0x01234567;

  /**
   * @param print called with each line, when the whole trace is wanted.
   * @param isOn false: nothing is kept, and the hash says nothing.
   */
  constructor(print?: (line: string) => void, isOn: boolean = true) {
    this.#print = print;
    this.#isOn = isOn;
  }

  add(atMs: number, observation: Observation): void {
    if (!this.#isOn) return;
    const line = `${atMs} ${describe(observation)}`;
    for (let index = 0; index < line.length; index += 1) {
      const code = line.charCodeAt(index);
      this.#low = Math.imul(this.#low ^ code, 0x01000193);
      this.#high = Math.imul(this.#high ^ code, 0x85ebca6b);
    }
    this.#lines[this.#next % KEPT_LINES] = line;
    this.#next += 1;
    this.#print?.(line);
  }

  get hash(): string {
    return [this.#low, this.#high].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** The latest lines, oldest first. */
  latest(count: number): string[] {
    const start = Math.max(0, this.#next - Math.min(count, KEPT_LINES));
    return Array.from(
      { length: this.#next - start },
      (_, index) => this.#lines[(start + index) % KEPT_LINES] ?? '',
    );
  }
}

function describe(observation: Observation): string {
  switch (observation.type) {
    case 'agent_step':
      return `${observation.name} ${step(observation)}`;
    case 'server_step':
      return `${observation.serverId} ${step(observation)}`;
    case 'block_queued':
    case 'block_journaled':
    case 'block_unjournaled':
      return `${'serverId' in observation ? observation.serverId : ''} ${observation.type} ${block(observation.header)}`;
    case 'blocks_stored':
      return `store stored ${observation.token}: ${observation.keys.join(' ')}`;
    case 'copies_deleted':
      return `store deleted the copies of ${observation.serverId}: ${observation.keys.join(' ')}`;
    case 'copies_marked':
      return `store ${observation.state} at ${observation.serverId}: ${observation.keys.join(' ')}`;
    case 'agent_started':
      return `${observation.type} ${observation.name}`;
    case 'server_started':
      return `${observation.serverId} server_started ${JSON.stringify(observation.shape)}`;
    default:
      return Object.values(observation).join(' ');
  }
}

function step({ event, effects }: { event: object; effects: readonly object[] }): string {
  return `< ${words(event)}${effects.map((effect) => `\n      > ${words(effect)}`).join('')}`;
}

/** The parts of an event or effect in short. */
function words(value: object): string {
  return Object.entries(value)
    .flatMap(([name, part]) =>
      name === 'atMs' && !('type' in value && value.type === 'wake_at') ? [] : [short(name, part)],
    )
    .join(' ');
}

function short(name: string, part: unknown): string {
  if (typeof part !== 'object' || part === null)
    return name === 'type' ? String(part) : `${name}=${String(part)}`;
  if ('agentId' in part && 'sequence' in part) return `${String(part.agentId)}/${String(part.sequence)}`;
  if ('rawBytes' in part && 'id' in part && 'urgency' in part) return block(part);
  return `${name}=${JSON.stringify(part)}`;
}

function block(header: object): string {
  // Only ever called with a block's header; the trace takes objects of all kinds.
  const { id, urgency, rawBytes } = header as BlockHeader;
  return `${blockKey(id)}(${urgency} ${rawBytes})`;
}
