/** One card a server: whether it is connected, how many channels it granted, what it was told. */
import type { AdmissionStatus } from '@sluice/wire/gen/query_pb';
import { formatBytes, formatCount, formatDuration } from '../format/format.ts';
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
            {server.admission?.draining === true && <span className="mark-waiting">{words.draining}</span>}
            {server.admission?.loaded === true && (
              <span className="mark-waiting" title={words.loadedHint}>
                {words.journalFull}
              </span>
            )}
            {server.stalledFor > 0 && (
              <span className="mark-stalled" title={words.stalledForHint}>
                {words.stalledFor(formatCount(server.stalledFor))}
              </span>
            )}
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
              {server.usualAnswerMs > 0 && (
                <div>
                  <dt>{words.answersIn}</dt>
                  <dd>{formatDuration(server.usualAnswerMs)}</dd>
                </div>
              )}
              <div>
                <dt>{words.noticesReceived}</dt>
                <dd>{formatCount(server.noticesTotal)}</dd>
              </div>
              {server.admission !== undefined && <Admission admission={server.admission} />}
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

/** What the server gives and takes now. */
function Admission({ admission }: { readonly admission: AdmissionStatus }): React.JSX.Element {
  const words = useWords();
  const { outstandingBytes, drainBytesPerSecond, waitingAgents, loweredAgents } = admission;
  const facts: readonly (readonly [name: string, value: string])[] = [
    [words.outstanding, formatBytes(outstandingBytes)],
    ...(drainBytesPerSecond === 0n
      ? []
      : [[words.drains, words.perSecond(formatBytes(drainBytesPerSecond))] as const]),
    [words.requestsWaiting, formatCount(waitingAgents)],
    [words.loweredAgents, formatCount(loweredAgents)],
  ];
  return (
    <>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </>
  );
}
