/**
 * What the simulated processes may see of the world around them: its clock, its chance, and who looks on. The machines
 * come from outside, so that the same world can run deliberately broken ones.
 */

import type { Random } from '@sluice/base/random';
import type { AgentEffect, AgentEvent } from '@sluice/protocol/agent-events';
import type { AgentMachine, AgentMachineOptions } from '@sluice/protocol/agent-machine';
import type { AgentId, BlockDigest, BlockHeader, ServerId, TimeMs } from '@sluice/protocol/model';
import type { ServerEffect, ServerEvent } from '@sluice/protocol/server-events';
import type { ServerMachine, ServerMachineOptions } from '@sluice/protocol/server-machine';
import type { Recognition } from '@sluice/server/journal/known-blocks';
import type { ServerShape, SimOptions } from './options.ts';

/** The machines under test. */
export interface Machines {
  readonly createAgentMachine: (options: AgentMachineOptions) => AgentMachine;
  readonly createServerMachine: (options: ServerMachineOptions) => ServerMachine;
  /** Whether what they hold can be read from outside, and so be measured. */
  readonly isOpen?: boolean;
}

/**
 * Of one server's copy of a block in the store: `held` is not shown; of the `kept` ones that of the smallest server id is
 * shown, and no other copy at all; `settled` means nothing any more (packages/server/store/moved-copies.ts).
 */
export type CopyState = 'held' | 'kept' | 'settled';

/** What checkers and the trace get to see, in the order in which it happens. */
export type Observation =
  /** `machine`: undefined when it cannot be measured, here and below. */
  | {
      readonly type: 'agent_started';
      readonly name: string;
      readonly agentId: AgentId;
      readonly machine: object | undefined;
    }
  | { readonly type: 'agent_ended'; readonly name: string }
  | {
      readonly type: 'agent_step';
      /** Of the process: others may have the same agent id. */
      readonly name: string;
      readonly agentId: AgentId;
      readonly event: AgentEvent;
      readonly effects: readonly AgentEffect[];
    }
  | {
      readonly type: 'server_started';
      readonly serverId: ServerId;
      readonly shape: ServerShape;
      readonly machine: object | undefined;
    }
  | { readonly type: 'server_ended'; readonly serverId: ServerId }
  | {
      readonly type: 'server_step';
      readonly serverId: ServerId;
      readonly event: ServerEvent;
      readonly effects: readonly ServerEffect[];
    }
  /** Durable in an agent's queue: from now on it must not be lost. */
  | { readonly type: 'block_queued'; readonly header: BlockHeader; readonly isForged: boolean }
  | { readonly type: 'block_removed'; readonly key: string }
  | {
      readonly type: 'block_journaled';
      readonly serverId: ServerId;
      readonly header: BlockHeader;
      /** What the server remembered of its position (packages/server/journal/known-blocks.ts). */
      readonly recognition: Recognition;
    }
  | { readonly type: 'block_unjournaled'; readonly serverId: ServerId; readonly header: BlockHeader }
  | {
      readonly type: 'blocks_stored';
      readonly serverId: ServerId;
      readonly token: string;
      readonly keys: readonly string[];
    }
  /** The store knows of a server's copies of blocks: held back until kept. */
  | {
      readonly type: 'copies_marked';
      readonly serverId: ServerId;
      readonly state: CopyState;
      readonly keys: readonly string[];
    }
  | { readonly type: 'copies_deleted'; readonly serverId: ServerId; readonly keys: readonly string[] }
  /** The directory of an agent is as it was, or there twice. `lost`: content that no queue and no log has any more. */
  | {
      readonly type: 'directory_put_back';
      readonly agentId: AgentId;
      readonly lost: readonly BlockDigest[];
    }
  | { readonly type: 'directory_copied'; readonly agentId: AgentId }
  /** Somebody comes with blocks in the name of the agent. */
  | { readonly type: 'name_taken'; readonly agentId: AgentId }
  /** Positions of this run may be drawn twice: memory came back, or somebody forges. */
  | { readonly type: 'epoch_shared'; readonly epoch: number }
  | { readonly type: 'fault'; readonly what: string }
  /** Faults and new blocks have ended; all must drain now. */
  | { readonly type: 'calm' };

export interface World {
  readonly nowMs: TimeMs;
  readonly options: SimOptions;
  readonly machines: Machines;
  /** False once faults have ended. */
  readonly isFaulty: boolean;
  readonly chance: {
    readonly network: Random;
    readonly disk: Random;
    readonly store: Random;
    readonly production: Random;
    readonly faults: Random;
    readonly clocks: Random;
    /** Of servers that say what they should not. */
    readonly peers: Random;
  };
  /** Calls `action` after so many ms. */
  after(ms: number, action: () => void): void;
  observe(observation: Observation): void;
}
