/** What a scripted server is made of, and who sees what arrives there besides the script. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OpenChannel, WelcomeSchema } from '@sluice/wire/gen/uplink_pb';
import type { GivenChannel, HeardBlock, HeardHello, HeardNotice } from './heard.ts';
import type { Timeline } from './timeline.ts';

/** As a scripted server is seen by a witness. */
export interface SeenServer {
  readonly name: string;
  readonly sessionId: string;
  readonly notices: readonly HeardNotice[];
  readonly grants: readonly GivenChannel['grant'][];
}

export interface Witness {
  opened(server: SeenServer, open: OpenChannel, channel: GivenChannel | undefined): void;
  block(server: SeenServer, heard: HeardBlock): void;
  notice(server: SeenServer, heard: HeardNotice): void;
  hello(server: SeenServer, heard: HeardHello): void;
  /** What no agent may send. */
  broken(server: SeenServer, reason: string): void;
}

export interface ScriptedServerOptions {
  readonly name: string;
  readonly timeline: Timeline;
  readonly witness?: Witness;
  /** 0 for a free one. */
  readonly port?: number;
  /** Fields of its Welcome other than usual. */
  readonly welcome?: MessageInitShape<typeof WelcomeSchema>;
}
