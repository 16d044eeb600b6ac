/** One card an agent: what waits in which class, how far behind it is, what is wrong. A click shows its channels. */
import { formatBytes, formatCount, formatDuration } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import type { FlowAgent, FlowBacklog } from './flow-model.ts';
import { SourceList } from './source-list.tsx';

interface AgentCardsProperties {
  readonly agents: readonly FlowAgent[];
  readonly shownId: string;
  readonly nowMs: number;
  readonly onAgent: (agentId: string) => void;
}

export function AgentCards({ agents, shownId, nowMs, onAgent }: AgentCardsProperties): React.JSX.Element {
  const words = useWords();
  if (agents.length === 0) return <p className="dim">{words.noAgents}</p>;
  return (
    <div className="cards">
      {agents.map((agent) => (
        <article key={agent.id} className="card" data-shown={agent.id === shownId}>
          <div className="card-head">
            <button type="button" aria-pressed={agent.id === shownId} onClick={() => onAgent(agent.id)}>
              {agent.id}
            </button>
            {agent.admission?.requestWaits === true && (
              <span className="mark-waiting" title={words.requestWaitsHint}>
                {words.requestWaits}
              </span>
            )}
            <span className="state" data-state={agent.connected ? 'up' : 'down'}>
              <span className="dot" aria-hidden="true" />
              {agent.connected
                ? words.connected
                : words.lastSeen(formatDuration(Math.max(0, nowMs - agent.lastSeenMs)))}
            </span>
          </div>
          {!agent.reported && <p className="dim">{words.noReport}</p>}
          {agent.reported && <Backlog backlog={agent.backlog} />}
          {agent.reported && (
            <dl className="facts">
              {agent.urgentLagMs !== undefined && (
                <Fact name={words.urgentLag} value={formatDuration(agent.urgentLagMs)} />
              )}
              <Fact name={words.lag} value={formatDuration(agent.lagMs)} />
              <Fact name={words.unread} value={formatBytes(agent.unreadBytes)} />
              <Fact name={words.acknowledged} value={formatCount(agent.recordsAcknowledgedTotal)} />
              {agent.admission !== undefined && (
                <Fact name={words.outstanding} value={formatBytes(agent.admission.outstandingBytes)} />
              )}
              {agent.admission !== undefined && agent.admission.loweredBy > 0 && (
                <Fact name={words.lowered} value={formatCount(agent.admission.loweredBy)} />
              )}
              {agent.blocksSetAsideTotal > 0n && (
                <Fact name={words.setAside} value={formatCount(agent.blocksSetAsideTotal)} />
              )}
            </dl>
          )}
          <SourceList sources={agent.sources} />
          {agent.problems.length > 0 && (
            <ul className="problems" aria-label={words.problems}>
              {agent.problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          )}
        </article>
      ))}
    </div>
  );
}

function Backlog({ backlog }: { readonly backlog: readonly FlowBacklog[] }): React.JSX.Element {
  const words = useWords();
  const most = backlog.reduce((max, entry) => Math.max(max, Number(entry.rawBytes)), 1);
  return (
    <ul className="backlog" aria-label={words.backlog}>
      {backlog.map((entry) => (
        <li key={entry.urgency} data-urgency={entry.urgency} data-empty={entry.recordCount === 0n}>
          <span className="backlog-name" title={words.urgencyHint[entry.urgency]}>
            {words.urgency[entry.urgency]}
          </span>
          <span className="backlog-bar" aria-hidden="true">
            <span style={{ width: `${Math.sqrt(Number(entry.rawBytes) / most) * 100}%` }} />
          </span>
          <span className="backlog-records">{formatCount(entry.recordCount)}</span>
          <span className="backlog-bytes">{formatBytes(entry.rawBytes)}</span>
          <span className="backlog-oldest">
            {entry.recordCount === 0n ? '–' : words.oldest(formatDuration(entry.oldestAgeMs))}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): React.JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
