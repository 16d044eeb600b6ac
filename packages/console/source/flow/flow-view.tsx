/** The flow view: who asks, who granted what, what is used in which order, and who was told that it was out of turn. */
import { useMemo } from 'react';
import { formatDuration } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import { FailureBox } from '../shell/failure-box.tsx';
import { AgentCards } from './agent-cards.tsx';
import { ChannelList } from './channel-list.tsx';
import { collectNotices, orderOfUse } from './flow-history.ts';
import { toFlowModel } from './flow-model.ts';
import { FlowPicture } from './flow-picture.tsx';
import { NoticeLog } from './notice-log.tsx';
import { ServerCards } from './server-cards.tsx';
import { collectEvents } from './uplink-events.ts';
import { UplinkLog } from './uplink-log.tsx';
import { UrgentFigure } from './urgent-figure.tsx';
import type { StatusResult } from './use-status.ts';
import { UseStrip } from './use-strip.tsx';

interface FlowViewProperties {
  readonly status: StatusResult;
  /** Agent to show; empty for the first that holds channels. */
  readonly agentId: string;
  readonly onAgent: (agentId: string) => void;
}

export function FlowView({ status, agentId, onAgent }: FlowViewProperties): React.JSX.Element {
  const words = useWords();
  const { response, failure } = status;
  const model = useMemo(() => (response === undefined ? undefined : toFlowModel(response)), [response]);
  if (response === undefined || model === undefined) {
    return (
      <div className="flow">
        {failure !== undefined ? <FailureBox failure={failure} onRetry={status.retry} /> : <FlowSkeleton />}
      </div>
    );
  }
  const agent =
    model.agents.find((each) => each.id === agentId) ??
    model.agents.find((each) => model.channels.some((channel) => channel.agentId === each.id)) ??
    model.agents[0];
  const channels = model.channels.filter((channel) => channel.agentId === agent?.id);
  const colors = new Map(model.servers.map((server, index) => [server.id, index]));
  return (
    <div className="flow" data-stale={failure !== undefined}>
      <div className="flow-intro">
        <p>{words.flowIntro}</p>
        <p className="flow-updated" role="status">
          {failure !== undefined && <b>{words.stale(formatDuration(Date.now() - status.answeredAtMs))}</b>}
        </p>
      </div>
      {response.urgentLag !== undefined && <UrgentFigure urgentLag={response.urgentLag} />}
      <section className="card flow-picture-card">
        <FlowPicture agent={agent} channels={channels} servers={model.servers} />
        <p className="caption">{words.flowPictureCaption}</p>
      </section>
      <div className="flow-columns">
        <section className="card">
          <h2>{words.channels}</h2>
          <p className="caption">{words.channelsCaption}</p>
          <ChannelList channels={channels} colors={colors} />
        </section>
        <section className="card">
          <h2>{words.uses}</h2>
          <p className="caption">{words.usesCaption}</p>
          <UseStrip runs={agent === undefined ? [] : orderOfUse(response, agent.id)} colors={colors} />
          <h2 className="second">
            {words.notices} <span className="dim">{String(model.noticesTotal)}</span>
          </h2>
          <p className="caption">{words.noticesCaption}</p>
          <NoticeLog notices={collectNotices(response)} colors={colors} />
        </section>
      </div>
      <section className="card">
        <h2>{words.events}</h2>
        <p className="caption">{words.eventsCaption}</p>
        <UplinkLog events={agent === undefined ? [] : collectEvents(response, agent.id)} colors={colors} />
      </section>
      <section>
        <h2>{words.agents}</h2>
        <p className="caption">{words.backlogCaption}</p>
        <AgentCards
          agents={model.agents}
          shownId={agent?.id ?? ''}
          nowMs={status.answeredAtMs}
          onAgent={onAgent}
        />
      </section>
      <section>
        <h2>{words.servers}</h2>
        <ServerCards servers={model.servers} />
      </section>
    </div>
  );
}

function FlowSkeleton(): React.JSX.Element {
  return (
    <div aria-hidden="true" className="flow-skeleton">
      <span className="skeleton" />
      <span className="skeleton" />
      <span className="skeleton" />
    </div>
  );
}
