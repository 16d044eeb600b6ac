/** Sequences of events for the server's machine. */
import { channelNumber, grantId, requestId, timeMs } from '@sluice/protocol/brand';
import { agent, block, server } from '@sluice/protocol/machine-fixture';
import { stamp } from '@sluice/protocol/machine-runner';
import type { ClosedChannel, GrantId } from '@sluice/protocol/model';
import type { ServerEffect, UntimedServerEvent } from '@sluice/protocol/server-events';
import { createServerMachine, type ServerMachineOptions } from '@sluice/protocol/server-machine';
import type { RecordedStep, Vector } from './vector.ts';

const OPTIONS: ServerMachineOptions = { serverId: server('S1'), instance: 'i1' };
const MEBIBYTE: number = 1024 * 1024;

/** A machine with a clock in the script's hand. */
class Played {
  readonly steps: RecordedStep[] = [];
  readonly #machine;
  #nowMs = 1_000;
  #requests = 0;

  constructor(options: ServerMachineOptions) {
    this.#machine = createServerMachine(options);
  }

  step(event: UntimedServerEvent): readonly ServerEffect[] {
    const timed = stamp(event, timeMs(this.#nowMs));
    const effects = [...this.#machine.step(timed)];
    this.steps.push({ event: timed, effects });
    return effects;
  }

  after(ms: number): void {
    this.#nowMs += ms;
    this.step({ type: 'woken' });
  }

  /** Room, and an agent. */
  begin(name = 'a', roomBytes: number = 512 * MEBIBYTE): void {
    this.step({ type: 'journal_room_changed', roomBytes });
    this.step({ type: 'agent_connected', agentId: agent(name) });
  }

  /** States a backlog. @returns the grant's id, when one came at once */
  ask(name = 'a', rawBytes: number = MEBIBYTE, closedChannels: readonly ClosedChannel[] = []): GrantId {
    this.#requests += 1;
    const waits = { urgency: 'normal', recordCount: 100, rawBytes, oldestAgeMs: 5 } as const;
    const request = {
      ...{ requestId: requestId(this.#requests), backlog: rawBytes === 0 ? [] : [waits] },
      ...(closedChannels.length === 0 ? {} : { closedChannels }),
    };
    const effects = this.step({ type: 'request_received', agentId: agent(name), request });
    const sent = effects.find((effect) => effect.type === 'send_grant');
    return sent === undefined ? grantId('none') : sent.grant.grantId;
  }

  arrive(grant: GrantId, sequence: number, known = false, channel = 1, rawBytes = 100): void {
    const header = block(sequence, 'normal', rawBytes);
    const at = { agentId: agent('a'), grantId: grant, channel: channelNumber(channel) };
    this.step({ type: 'block_arrived', ...at, block: header, known });
  }

  durable(sequence: number): void {
    this.step({ type: 'block_durable', blockId: block(sequence).id });
  }
}

type Script = (played: Played) => void;

const SCRIPTS: readonly (readonly [string, string, Script, Partial<ServerMachineOptions>?])[] = [
  [
    'grant',
    'U3, U8: a grant names its request',
    (played) => {
      played.begin();
      played.ask();
      played.ask('a', 0);
    },
  ],
  [
    'durable',
    'U12: acknowledged when durable, a known block at once; refused when the journal does not take it',
    (played) => {
      played.begin();
      const grant = played.ask();
      played.arrive(grant, 1);
      played.durable(1);
      played.arrive(grant, 1, true);
      played.arrive(grant, 2);
      played.step({ type: 'block_not_durable', blockId: block(2).id, reason: 'the disk is full' });
    },
  ],
  [
    'past-quota',
    'U4: nothing is taken past the quota, or without a grant',
    (played) => {
      played.begin();
      const grant = played.ask('a', 0);
      played.arrive(grant, 1, false, 1, 4 * MEBIBYTE);
      played.arrive(grantId('never-given'), 2);
    },
  ],
  [
    'expiry',
    'U4: taken within the grace, and not after it',
    (played) => {
      played.begin();
      const grant = played.ask();
      played.after(21_000);
      played.arrive(grant, 1);
      played.after(5_000);
      played.arrive(grant, 2);
    },
  ],
  [
    'closed-channels',
    'U2.4: what is closed is room again, what is on its way is taken',
    (played) => {
      played.begin();
      const grant = played.ask();
      played.ask('a', MEBIBYTE, [{ grantId: grant, channel: channelNumber(1), usedBytes: 100 }]);
      played.arrive(grant, 1);
      played.arrive(grant, 2);
    },
  ],
  [
    'no-room',
    'U17: a request without room waits, and is refused after 5 s',
    (played) => {
      played.begin('a', 0);
      played.ask();
      played.after(5_000);
    },
  ],
  [
    'yield',
    'U11: told of a violation, it ranks its next grants lower for 60 s; a notice about no live grant changes nothing',
    (played) => {
      played.begin();
      const grant = played.ask();
      const outrankedBy = [{ serverId: server('S2'), highestPriority: 1, heldPriorities: [3, 7] }];
      const notice = { grantId: grant, channel: channelNumber(1), priority: 1, outrankedBy };
      const agentId = agent('a');
      played.step({
        type: 'notice_received',
        agentId,
        notice: { ...notice, grantId: grantId('never-given') },
      });
      played.ask();
      played.step({ type: 'notice_received', agentId, notice });
      played.ask();
      played.after(61_000);
      played.ask();
    },
  ],
  [
    'draining',
    'U21: revokes, takes what is on its way, refuses requests',
    (played) => {
      played.begin();
      const grant = played.ask();
      played.step({ type: 'draining' });
      played.arrive(grant, 1);
      played.durable(1);
      played.ask();
    },
  ],
  [
    'disconnected',
    'U17: what a lost agent held is room again',
    (played) => {
      played.begin('a', 40 * MEBIBYTE);
      played.ask('a', 64 * MEBIBYTE);
      played.step({ type: 'agent_connected', agentId: agent('b') });
      played.ask('b', 64 * MEBIBYTE);
      played.step({ type: 'agent_disconnected', agentId: agent('a') });
    },
  ],
];

/** All of them, by the real machine. */
export function serverVectors(): Vector<ServerMachineOptions>[] {
  return SCRIPTS.map(([name, title, script, changes = {}]) => {
    const options = { ...OPTIONS, ...changes };
    const played = new Played(options);
    script(played);
    return { name, title, options, steps: played.steps };
  });
}
