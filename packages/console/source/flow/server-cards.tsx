/** One card a server: whether it is connected, how many channels it granted, what it was told. */
import { formatBytes, formatCount } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import type { FlowServer } from './flow-model.ts';
import { serverColorClass } from './server-color.ts';

export function ServerCards({ servers }: { readonly servers: readonly FlowServer[] }): React.JSX.Element {
  const words = useWords();
  return (
    <div className="cards">
      {servers.map((server, index) => (
        <article key={server.id} className={`card server-card ${serverColorClass(index)}`}>
          <div className="card-head">
            <b>{server.id}</b>
            {server.answering && <span className="tag">{words.answering}</span>}
            <span className="state" data-state={server.connected ? 'up' : 'down'}>
              <span className="dot" aria-hidden="true" />
              {server.connected ? words.connected : words.disconnected}
            </span>
          </div>
          {server.error !== '' && (
            <ul className="problems">
              <li>{server.error}</li>
            </ul>
          )}
          {server.connected && (
            <dl className="facts">
              <div>
                <dt>{words.channels}</dt>
                <dd>{server.channelCount}</dd>
              </div>
              <div>
                <dt>{words.inFlight}</dt>
                <dd>{server.blocksInFlight}</dd>
              </div>
              <div>
                <dt>{words.noticesReceived}</dt>
                <dd>{formatCount(server.noticesTotal)}</dd>
              </div>
              {server.journal !== undefined && (
                <>
                  <div>
                    <dt>{words.journal}</dt>
                    <dd>
                      {words.journalRoom(
                        formatBytes(server.journal.rawBytes),
                        formatBytes(server.journal.roomBytes),
                      )}
                    </dd>
                  </div>
                  <div>
                    <dt>{words.loaded}</dt>
                    <dd>{formatCount(server.journal.recordsLoadedTotal)}</dd>
                  </div>
                  {server.journal.blocksSetAsideTotal > 0n && (
                    <div>
                      <dt>{words.setAside}</dt>
                      <dd>{formatCount(server.journal.blocksSetAsideTotal)}</dd>
                    </div>
                  )}
                </>
              )}
            </dl>
          )}
        </article>
      ))}
    </div>
  );
}
