/** A failure with what it means, what the other side said, and a way to try again. */
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
      <button type="button" className="primary" onClick={onRetry}>
        {words.retry}
      </button>
    </div>
  );
}
