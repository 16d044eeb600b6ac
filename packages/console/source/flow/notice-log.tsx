/** Priority violation notices, newest first: who was told, about which channel, and who outranks. */
import { formatTime } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import { msToNanos } from '../time/time-range.ts';
import type { FlowNotice } from './flow-history.ts';
import { serverColorClass } from './server-color.ts';

/** The log is for now, not for the archive: notices are records too, and can be searched for. */
const NOTICES_SHOWN = 50;

interface NoticeLogProperties {
  readonly notices: readonly FlowNotice[];
  readonly colors: ReadonlyMap<string, number>;
}

export function NoticeLog({ notices, colors }: NoticeLogProperties): React.JSX.Element {
  const words = useWords();
  if (notices.length === 0) return <p className="dim">{words.noticesEmpty}</p>;
  return (
    <ol className="notices">
      {notices.slice(0, NOTICES_SHOWN).map((notice) => (
        <li key={notice.key} className={serverColorClass(colors.get(notice.serverId))}>
          <time>{formatTime(msToNanos(notice.atMs), { withDate: false }).slice(0, -4)}</time>
          <div>
            <p>
              <b>{words.notice(notice.serverId, String(notice.priority))}</b>{' '}
              <span className="dim">({notice.agentId})</span>
            </p>
            {notice.outrankedBy.map((server) => (
              <p key={server.serverId} className="dim">
                {words.outranked(
                  server.serverId,
                  String(server.highestPriority),
                  server.heldPriorities.join(', '),
                )}
              </p>
            ))}
          </div>
        </li>
      ))}
    </ol>
  );
}
