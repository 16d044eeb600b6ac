/** Stand-in until the machine's view exists. */
import { create } from '@bufbuild/protobuf';
import type { AgentReport } from '@sluice/wire/gen/uplink_pb';
import { AgentReportSchema } from '@sluice/wire/gen/uplink_pb';
import type { UplinkView } from './uplink.ts';

export interface ReportExtras {
  readonly unreadBytes: number;
  readonly problems: readonly string[];
}

export function buildReport(hostName: string, view: UplinkView, extras: ReportExtras): AgentReport {
  return create(AgentReportSchema, { hostName, problems: [...extras.problems, ...view.problems] });
}
