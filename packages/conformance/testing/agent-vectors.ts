/** Sequences of events for the agent's machine: the worked examples, and one for each rule that a machine alone must keep. */
import type { AgentMachine, AgentMachineOptions } from '@sluice/protocol/agent-machine';
import { createAgentMachine } from '@sluice/protocol/agent-machine';
import { grantId } from '@sluice/protocol/brand';
import { block, server, TestAgent } from '@sluice/protocol/machine-fixture';
import type { RecordedStep, Vector } from './vector.ts';

type Script = (agent: TestAgent) => void;

/** Strictly the most urgent first, so that an example shows one rule. */
const STRICT: AgentMachineOptions = {
  seed: 1,
  minimumShares: { urgent: 0, elevated: 0, normal: 0, bulk: 0 },
};

/** All grants are in hand before the first of `blocks` blocks. */
function row(granted: Record<string, number[]>, blocks: number): Script {
  return (agent) => {
    agent.connect(...Object.keys(granted));
    for (const [name, priorities] of Object.entries(granted)) agent.grant(name, priorities);
    for (let sequence = 1; sequence <= blocks; sequence += 1) agent.seal(block(sequence));
  };
}

const SCRIPTS: readonly (readonly [string, string, Script, AgentMachineOptions?])[] = [
  ['row-one-channel', 'U5: S1{1}', row({ S1: [1] }, 2)],
  ['row-three-channels', 'U6, U7: S1{1,2,3}', row({ S1: [1, 2, 3] }, 4)],
  ['row-contiguous', 'U9: S1{1,2} S2{3,4}, no notice', row({ S1: [1, 2], S2: [3, 4] }, 5)],
  ['row-interleaved', 'U10: S1{1,3} S2{2,4}, a notice at S2/2', row({ S1: [1, 3], S2: [2, 4] }, 5)],
  ['row-three-servers', 'U10: S1{1,4} S2{2} S3{3}', row({ S1: [1, 4], S2: [2], S3: [3] }, 5)],
  ['row-two-violations', 'U10: S1{1,3,5} S2{2,4}', row({ S1: [1, 3, 5], S2: [2, 4] }, 6)],
  ['row-equal', 'U6: S1{1} S2{1}, ties', row({ S1: [1], S2: [1] }, 3)],
  ['row-other-way-round', 'U10: S1{2} S2{1,3}', row({ S1: [2], S2: [1, 3] }, 4)],
  ['row-little-log', 'U7: S1{1,3} S2{2,4} and one block', row({ S1: [1, 3], S2: [2, 4] }, 1)],
  [
    'row-leader-dies',
    'U14: S1 is lost with a block, which goes to S2 after 30 s, marked',
    (agent) => {
      agent.connect('S1', 'S2');
      agent.grant('S1', [1, 3]);
      agent.grant('S2', [2, 4], { lifetimeMs: 120_000 });
      agent.seal(block(1));
      agent.step({ type: 'server_disconnected', serverId: server('S1') });
      agent.seal(block(2));
      agent.acknowledge('S2', 2);
      agent.after(30_000);
    },
  ],
  [
    'late-outranking',
    'U10: the outranking grant comes after the first use',
    (agent) => {
      agent.connect('S1', 'S2');
      agent.grant('S2', [2, 4], { quotaBytes: 300 });
      agent.seal(block(1));
      agent.grant('S1', [1, 3]);
      for (const sequence of [2, 3, 4]) agent.seal(block(sequence));
    },
  ],
  [
    'urgent-overtakes',
    'U7: the most urgent class first, of a class the oldest',
    (agent) => {
      agent.connect('S1');
      const classes = ['bulk', 'normal', 'urgent', 'elevated', 'urgent'] as const;
      for (const [index, urgency] of classes.entries()) agent.seal(block(index + 1, urgency));
      agent.grant('S1', [1], { quotaBytes: 1_000 });
    },
  ],
  [
    'reserve',
    'U8: only urgent blocks use the reserve',
    (agent) => {
      agent.connect('S1');
      agent.grant('S1', [1], { quotaBytes: 300, reservedForUrgentBytes: 200 });
      agent.seal(block(1, 'bulk'), block(2, 'bulk'), block(3, 'urgent'));
    },
  ],
  [
    'expiry-and-revocation',
    'U4, U2.4: nothing is sent after the end; what was left is closed with the next request',
    (agent) => {
      agent.connect('S1');
      agent.grant('S1', [1, 2], { lifetimeMs: 5_000 });
      agent.seal(block(1));
      agent.acknowledge('S1', 1);
      agent.after(6_000);
      agent.seal(block(2));
      const grant = agent.grant('S1', [1, 2]);
      agent.step({ type: 'revoked', serverId: server('S1'), grantId: grant.grantId });
      agent.seal(block(3));
    },
  ],
  [
    'answers',
    'U12: acknowledged is forgotten, malformed is set aside, retryable is sent again',
    (agent) => {
      agent.connect('S1');
      agent.grant('S1', [1], { quotaBytes: 1_000 });
      agent.seal(block(1), block(2), block(3));
      const serverId = server('S1');
      agent.acknowledge('S1', 3);
      agent.acknowledge('S1', 3);
      const [blockId, again] = [block(1).id, block(2).id];
      agent.step({
        type: 'block_refused',
        serverId,
        blockId,
        refusal: { kind: 'malformed', reason: 'it is none' },
      });
      const refusal = { kind: 'retryable', reason: 'the disk is full' } as const;
      agent.step({ type: 'block_refused', serverId, blockId: again, refusal });
      agent.after(1_000);
    },
  ],
  [
    'refusal',
    'U3: a refusal is waited out, with jitter from seed 1',
    (agent) => {
      agent.connect('S1');
      agent.seal(block(1));
      const requestId = agent.effects.findLast((effect) => effect.type === 'send_request')?.request.requestId;
      if (requestId === undefined) throw new Error('it did not ask');
      const refused = {
        channels: [],
        lifetimeMs: 0,
        refusalReason: 'overloaded',
        retryAfterMs: 1_000,
      } as const;
      const grant = { grantId: grantId('refused'), requestId, ...refused };
      agent.step({ type: 'grant_received', serverId: server('S1'), grant });
      agent.after(900);
      agent.after(700);
    },
  ],
  [
    'server-returns',
    'U14: a server that returns in time gets its blocks in doubt first, unmarked',
    (agent) => {
      agent.connect('S1');
      agent.grant('S1', [1]);
      agent.seal(block(1), block(2));
      agent.step({ type: 'server_disconnected', serverId: server('S1') });
      agent.after(2_000);
      agent.connect('S1');
      agent.grant('S1', [1], { quotaBytes: 1_000 });
    },
  ],
  [
    'stall',
    'U13: a silent server is passed over',
    (agent) => {
      agent.connect('S1', 'S2');
      agent.grant('S1', [1], { quotaBytes: 1_000, lifetimeMs: 120_000 });
      agent.grant('S2', [2], { quotaBytes: 1_000, lifetimeMs: 120_000 });
      agent.seal(block(1));
      agent.after(11_000);
      agent.seal(block(2));
    },
  ],
  [
    'found-at-the-start',
    'U14: a block that the queue notes as sent is marked wherever it goes later',
    (agent) => {
      agent.step({ type: 'block_sealed', block: block(1), inDoubtAt: server('S1') });
      agent.connect('S2');
      agent.grant('S2', [1], { lifetimeMs: 120_000 });
      agent.after(31_000);
    },
  ],
  [
    'stopping',
    'U21: a stopping agent sends and asks nothing more, and hears acknowledgements',
    (agent) => {
      agent.connect('S1');
      agent.grant('S1', [1], { quotaBytes: 1_000 });
      agent.seal(block(1));
      agent.step({ type: 'stopping' });
      agent.seal(block(2));
      agent.acknowledge('S1', 1);
      agent.after(60_000);
    },
  ],
];

/** All of them, by the real machine. */
export function agentVectors(): Vector<AgentMachineOptions>[] {
  return SCRIPTS.map(([name, title, script, options = STRICT]) => {
    const steps: RecordedStep[] = [];
    const machine = createAgentMachine(options);
    const recorded: AgentMachine = {
      view: (nowMs) => machine.view(nowMs),
      step: (event) => {
        const effects = machine.step(event);
        steps.push({ event, effects: [...effects] });
        return effects;
      },
    };
    script(new TestAgent(options, recorded));
    return { name, title, options, steps };
  });
}
