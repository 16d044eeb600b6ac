/** What people see of the uplink and its connections. */
import type { AgentMachineView } from '@sluice/protocol/agent-view';
import type { ServerId } from '@sluice/protocol/model';

export interface UplinkView {
  readonly machine: AgentMachineView;
  readonly connections: readonly ConnectionView[];
  readonly problems: readonly string[];
}

/** What people see of a connection. */
export interface ConnectionView {
  readonly address: string;
  /** Of the last handshake; undefined until there was one. */
  readonly serverId: ServerId | undefined;
  readonly connected: boolean;
  readonly error: string | undefined;
  /** What the server says is wrong with who this agent is; none while there is no connection. */
  readonly identityProblems: readonly string[];
  /** What the server said of late that was wrong, one sentence each; it outlives the connection. */
  readonly peerProblems: readonly string[];
  readonly blocksInFlight: number;
}
