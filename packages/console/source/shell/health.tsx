/** How it stands with server, store and agents: a button in the header that says it in a word, and the list behind it. */
import { type Health, type HealthProblem, ProblemSeverity } from '@sluice/wire/gen/query_pb';
import { useEffect, useRef } from 'react';
import type { StatusResult } from '../flow/use-status.ts';
import { formatDuration, formatTime } from '../format/format.ts';
import type { Dictionary } from '../i18n/language.ts';
import { useWords } from '../i18n/language.ts';
import { msToNanos } from '../time/time-range.ts';
import { Icon } from './icons.tsx';

type State = 'up' | 'warning' | 'down' | 'unknown';

interface HealthButtonProperties {
  readonly status: StatusResult;
  readonly isOpen: boolean;
  readonly onOpen: () => void;
}

export function HealthButton({ status, isOpen, onOpen }: HealthButtonProperties): React.JSX.Element {
  const words = useWords();
  const [state, text] = inAWord(status, words);
  return (
    <>
      <button
        type="button"
        className="ghost health"
        data-state={state}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        onClick={onOpen}
      >
        <span className="dot" aria-hidden="true" />
        <span className="health-text">{text}</span>
      </button>
      <span className="visually-hidden" role="status">
        {text}
      </span>
    </>
  );
}

function inAWord({ failure, response }: StatusResult, words: Dictionary): [State, string] {
  if (failure?.kind === 'unauthorized') return ['unknown', words.failure.unauthorized];
  if (failure !== undefined) return ['down', words.serverDown];
  if (response === undefined) return ['unknown', words.connecting];
  const { health, store } = response;
  const [worst] = health?.problems ?? [];
  if (worst !== undefined) {
    const count = health?.problemsTotal ?? 1;
    return [isError(worst) ? 'down' : 'warning', words.problemCount(count)];
  }
  // A server of before problems were told says at least this.
  return store?.available === true ? ['up', words.allWell] : ['down', words.storeDown];
}

interface HealthListProperties {
  readonly status: StatusResult;
  readonly onClose: () => void;
}

export function HealthList({ status, onClose }: HealthListProperties): React.JSX.Element {
  const words = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    // As in the help: it goes when it is taken out of the page.
    if (dialog.current?.open === false) dialog.current.showModal();
  }, []);
  const { response, failure } = status;
  const health = response?.health;
  return (
    <dialog ref={dialog} className="health-list" aria-labelledby="health-title" onClose={onClose}>
      <div className="panel-head">
        <h2 id="health-title">{words.health}</h2>
        <button type="button" className="ghost" aria-label={words.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {failure !== undefined && (
        <p className="health-failure">
          {words.failure[failure.kind]}
          {response !== undefined && ` ${words.stale(formatDuration(Date.now() - status.answeredAtMs))}`}
        </p>
      )}
      {health !== undefined && <Problems health={health} />}
      {health === undefined && failure === undefined && (
        <p className="dim">{response === undefined ? words.connecting : inAWord(status, words)[1]}</p>
      )}
    </dialog>
  );
}

function Problems({ health }: { readonly health: Health }): React.JSX.Element {
  const words = useWords();
  const { oldestUnsearchableMs, problems, problemsTotal } = health;
  const hidden = problemsTotal - problems.length;
  return (
    <>
      <p className="dim">
        {oldestUnsearchableMs === 0n
          ? words.allSearchable
          : words.oldestUnsearchable(formatDuration(oldestUnsearchableMs))}
      </p>
      <ul>
        {problems.map((problem) => (
          <Problem
            key={`${problem.code} ${problem.subjectKind} ${problem.subject}`}
            problem={problem}
            nowMs={health.atMs}
          />
        ))}
      </ul>
      {hidden > 0 && <p className="dim">{words.moreProblems(String(hidden))}</p>}
    </>
  );
}

interface ProblemProperties {
  readonly problem: HealthProblem;
  readonly nowMs: bigint;
}

function Problem({ problem, nowMs }: ProblemProperties): React.JSX.Element {
  const words = useWords();
  const { summary, action } = words.problem(problem);
  const severity = isError(problem) ? 'error' : 'warning';
  const since = formatTime(msToNanos(Number(problem.sinceMs)), { withDate: true }).slice(0, -4);
  return (
    <li data-severity={severity}>
      <p className="problem-head">
        <b>{words.problemSeverity[severity]}</b>
        <span className="dim">{words.since(since, formatDuration(nowMs - problem.sinceMs))}</span>
        <code>{problem.code}</code>
      </p>
      <p>{summary}</p>
      <p className="dim">{action}</p>
    </li>
  );
}

function isError(problem: HealthProblem): boolean {
  return problem.severity === ProblemSeverity.ERROR;
}
