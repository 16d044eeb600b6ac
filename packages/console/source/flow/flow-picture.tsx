/** The picture: agent, channels in priority order, servers. Said in words for those who cannot see it. */
import { useEffect, useRef, useState } from 'react';
import { formatBytes } from '../format/format.ts';
import { type Dictionary, useWords } from '../i18n/language.ts';
import { type ChannelBox, layoutFlow, type ServerBox } from './flow-layout.ts';
import type { FlowAgent, FlowChannel, FlowServer } from './flow-model.ts';
import { serverColorClass } from './server-color.ts';

/** Below this a channel has room for its number and its bar only. */
const NARROW_CHANNEL_PIXELS = 150;
/** About what a character takes, to cut names that do not fit. */
const TITLE_PIXELS_PER_CHARACTER = 8;
const DETAIL_PIXELS_PER_CHARACTER = 6;

interface FlowPictureProperties {
  readonly agent: FlowAgent | undefined;
  readonly channels: readonly FlowChannel[];
  readonly servers: readonly FlowServer[];
}

export function FlowPicture({ agent, channels, servers }: FlowPictureProperties): React.JSX.Element {
  const words = useWords();
  const holder = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const layout = layoutFlow(channels, servers, Math.max(width, 300));
  const colorOf = (id: string): string => serverColorClass(servers.findIndex((server) => server.id === id));
  return (
    <div ref={holder} className="flow-picture" style={{ minHeight: layout.height }}>
      {width > 0 && (
        <svg
          role="img"
          aria-label={`${words.flowPicture}. ${inWords(agent, channels, words)}`}
          width={layout.width}
          height={layout.height}
        >
          {layout.channels.map(({ channel, pathIn, pathOut }) => (
            <g
              key={channel.key}
              className={`flow-lines ${colorOf(channel.serverId)}`}
              data-stalled={channel.stalled}
            >
              <path d={pathIn} />
              <path d={pathOut} />
              {channel.usedShare > 0 && channel.usedShare < 1 && !channel.stalled && (
                <>
                  <path d={pathIn} className="flow-moving" />
                  <path d={pathOut} className="flow-moving" />
                </>
              )}
            </g>
          ))}
          <g className="flow-node">
            <rect
              x={layout.agent.x}
              y={layout.agent.y}
              width={layout.agent.width}
              height={layout.agent.height}
              rx="8"
            />
            <NodeText
              box={layout.agent}
              title={agent?.id ?? '–'}
              detail={agent === undefined ? '' : formatBytes(waitingBytes(agent))}
            />
          </g>
          {layout.channels.map((box) => (
            <Channel key={box.channel.key} box={box} color={colorOf(box.channel.serverId)} />
          ))}
          {layout.servers.map((box) => (
            <ServerNode key={box.server.id} box={box} />
          ))}
        </svg>
      )}
      {channels.length === 0 && <p className="flow-picture-empty">{words.noChannels}</p>}
    </div>
  );
}

function Channel({ box, color }: { readonly box: ChannelBox; readonly color: string }): React.JSX.Element {
  const words = useWords();
  const { channel, x, y, width, height } = box;
  const wide = width >= NARROW_CHANNEL_PIXELS;
  return (
    <g className={`flow-channel ${color}`} data-violating={channel.violating} data-stalled={channel.stalled}>
      <rect className="flow-channel-back" x={x} y={y} width={width} height={height} rx="8" />
      <rect
        className="flow-channel-fill"
        x={x + 38}
        y={y + height - 10}
        width={Math.max(0, (width - 48) * channel.usedShare)}
        height="4"
        rx="2"
      />
      <rect
        className="flow-channel-track"
        x={x + 38}
        y={y + height - 10}
        width={width - 48}
        height="4"
        rx="2"
      />
      <circle cx={x + 20} cy={y + height / 2} r="12" />
      <text className="flow-channel-priority" x={x + 20} y={y + height / 2 + 4.5}>
        {channel.priority}
      </text>
      <text className="flow-channel-name" x={x + 38} y={y + 19}>
        {wide ? `${channel.serverId}/${channel.priority}` : channel.serverId}
      </text>
      {wide && (
        <text className="flow-channel-quota" x={x + width - 10} y={y + 19}>
          {channel.violating ? words.violating : `${Math.round(channel.usedShare * 100)} %`}
        </text>
      )}
      {!wide && channel.violating && (
        <text className="flow-channel-quota" x={x + width - 10} y={y + 19}>
          !
        </text>
      )}
    </g>
  );
}

function ServerNode({ box }: { readonly box: ServerBox }): React.JSX.Element {
  const words = useWords();
  const { server } = box;
  return (
    <g className={`flow-node flow-server ${serverColorClass(box.index)}`} data-connected={server.connected}>
      <rect x={box.x} y={box.y} width={box.width} height={box.height} rx="8" />
      <NodeText
        box={box}
        title={server.id.replace(/^https?:\/\//, '')}
        detail={server.connected ? words.channelCount(String(server.channelCount)) : words.disconnected}
      />
    </g>
  );
}

interface NodeTextProperties {
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly title: string;
  readonly detail: string;
}

function NodeText({ box, title, detail }: NodeTextProperties): React.JSX.Element {
  const middle = box.x + box.width / 2;
  return (
    <>
      <text className="node-title" x={middle} y={box.y + box.height / 2 - 3}>
        {shorten(title, Math.floor((box.width - 16) / TITLE_PIXELS_PER_CHARACTER))}
      </text>
      <text className="node-detail" x={middle} y={box.y + box.height / 2 + 15}>
        {shorten(detail, Math.floor((box.width - 8) / DETAIL_PIXELS_PER_CHARACTER))}
      </text>
    </>
  );
}

function shorten(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, Math.max(1, characters - 1))}…` : text;
}

function waitingBytes(agent: FlowAgent): bigint {
  return agent.backlog.reduce((sum, entry) => sum + entry.rawBytes, 0n);
}

function inWords(agent: FlowAgent | undefined, channels: readonly FlowChannel[], words: Dictionary): string {
  if (channels.length === 0) return words.noChannels;
  const told = channels.map(
    (channel) =>
      `${channel.priority}: ${channel.serverId}, ${Math.round(channel.usedShare * 100)} %${channel.violating ? `, ${words.violating}` : ''}${channel.stalled ? `, ${words.stalled}` : ''}`,
  );
  return `${agent?.id ?? ''}: ${told.join('; ')}`;
}
