/** A failure with what it means, what the other side said, and a way to try again. */
import { useEffect, useState } from 'react';
import type { Failure } from '../api/failure.ts';
import { useWords } from '../i18n/language.ts';
import { Icon } from './icons.tsx';

interface FailureBoxProperties {
  readonly failure: Failure;
  readonly onRetry: () => void;
}

export function FailureBox({ failure, onRetry }: FailureBoxProperties): React.JSX.Element {
  const words = useWords();
  const hint = words.failureHint[failure.kind];
  return (
    <div className="notice-box" role="alert">
      <span className="notice-icon">
        <Icon name="warning" />
      </span>
      <h2>{words.failure[failure.kind]}</h2>
      {hint !== '' && <p>{hint}</p>}
      <p className="notice-detail">{failure.message}</p>
      {failure.kind === 'busy' ? (
        <BusyRetry key={failure.message} seconds={failure.retryAfterSeconds} onRetry={onRetry} />
      ) : (
        <button type="button" className="primary" onClick={onRetry}>
          {words.retry}
        </button>
      )}
    </div>
  );
}

interface BusyRetryProperties {
  readonly seconds: number;
  readonly onRetry: () => void;
}

/** Counts down, and then tries again by itself as soon as somebody looks at the page. */
function BusyRetry({ seconds, onRetry }: BusyRetryProperties): React.JSX.Element {
  const words = useWords();
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const timer = window.setInterval(() => setLeft((now) => Math.max(0, now - 1)), 1000);
    return () => window.clearInterval(timer);
  }, []);
  useEffect(() => {
    if (left > 0) return;
    const again = (): void => {
      if (document.visibilityState === 'visible') onRetry();
    };
    again();
    document.addEventListener('visibilitychange', again);
    return () => document.removeEventListener('visibilitychange', again);
  }, [left, onRetry]);
  return (
    <button type="button" className="primary" onClick={onRetry}>
      {words.retryIn(left)}
    </button>
  );
}
