/** All live channels of one agent in the order of use, each with how much of its quota is used. */
import { formatBytes, formatDuration } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import type { FlowChannel } from './flow-model.ts';
import { serverColorClass } from './server-color.ts';

interface ChannelListProperties {
  readonly channels: readonly FlowChannel[];
  readonly colors: ReadonlyMap<string, number>;
}

export function ChannelList({ channels, colors }: ChannelListProperties): React.JSX.Element {
  const words = useWords();
  if (channels.length === 0) return <p className="dim">{words.noChannels}</p>;
  return (
    <ol className="channels">
      {channels.map((channel) => {
        const used = formatBytes(channel.usedBytes);
        const quota = formatBytes(channel.quotaBytes);
        return (
          <li key={channel.key} className={serverColorClass(colors.get(channel.serverId))}>
            <span className="priority">{channel.priority}</span>
            <span className="channel-name">
              {channel.serverId}
              {channel.violating && (
                <span className="mark-violating" title={words.violatingHint}>
                  {words.violating}
                </span>
              )}
              {channel.stalled && (
                <span className="mark-stalled" title={words.stalledHint}>
                  {words.stalled}
                </span>
              )}
            </span>
            <span className="channel-numbers">
              {words.quotaUsed(used, quota)}
              <span className="dim"> · {words.expiresIn(formatDuration(channel.expiresInMs))}</span>
            </span>
            <meter
              className="visually-hidden"
              min={0}
              max={channel.quotaBytes}
              value={channel.usedBytes}
              aria-label={`${words.priority} ${channel.priority}, ${channel.serverId}`}
            />
            <span className="quota-bar" aria-hidden="true">
              <span style={{ width: `${channel.usedShare * 100}%` }} />
            </span>
          </li>
        );
      })}
    </ol>
  );
}
