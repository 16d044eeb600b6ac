/** What the machine says of admission, as the messages of the status answer. Pure. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AgentId } from '@sluice/protocol/model';
import type { ServerMachineView } from '@sluice/protocol/server-view';
import type { AdmissionStatusSchema, AgentAdmissionSchema } from '@sluice/wire/gen/query_pb';

/** What the server gives and takes now. */
export function admissionStatus(view: ServerMachineView): MessageInitShape<typeof AdmissionStatusSchema> {
  return {
    draining: view.draining,
    loaded: view.loaded,
    outstandingBytes: bytes(view.outstandingBytes),
    writingBytes: bytes(view.writingBytes),
    drainBytesPerSecond: bytes(view.drainBytesPerSecond),
    waitingAgents: waitingAgents(view),
    loweredAgents: loweredAgents(view),
  };
}

/** Agents of which a request waits for room. */
export function waitingAgents(view: ServerMachineView): number {
  return view.agents.filter(({ requestDeferred }) => requestDeferred).length;
}

/** Agents for which the channels are ranked lower than they are configured. */
export function loweredAgents(view: ServerMachineView): number {
  return view.agents.filter(({ yieldedBy }) => yieldedBy > 0).length;
}

/** What each connected agent is given; several sessions of one agent are one. */
export function agentAdmissions(
  view: ServerMachineView,
): Map<AgentId, MessageInitShape<typeof AgentAdmissionSchema>> {
  const admissions = new Map<
    AgentId,
    { outstandingBytes: bigint; requestWaits: boolean; loweredBy: number }
  >();
  for (const { agentId, outstandingBytes, requestDeferred, yieldedBy } of view.agents) {
    const before = admissions.get(agentId);
    admissions.set(agentId, {
      outstandingBytes: (before?.outstandingBytes ?? 0n) + bytes(outstandingBytes),
      requestWaits: before?.requestWaits === true || requestDeferred,
      loweredBy: Math.max(before?.loweredBy ?? 0, yieldedBy),
    });
  }
  return admissions;
}

function bytes(value: number): bigint {
  return BigInt(Math.min(Math.max(0, Math.round(value)), Number.MAX_SAFE_INTEGER));
}
