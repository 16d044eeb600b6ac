/** What one connection has told of the uplink's history already: each event goes over it once, since links are slow. */
import { create } from '@bufbuild/protobuf';
import { type AgentReport, AgentReportSchema } from '@sluice/wire/gen/uplink_pb';

export class ToldHistory {
  #latestNumber = 0n;

  /** @returns the report with the events that were not told yet; from now on they are */
  news(report: AgentReport): AgentReport {
    const history = report.history.filter(({ number }) => number > this.#latestNumber);
    this.#latestNumber = history.at(-1)?.number ?? this.#latestNumber;
    return create(AgentReportSchema, { ...report, history });
  }
}
