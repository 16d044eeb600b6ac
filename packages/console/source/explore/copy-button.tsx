/** Copies text, and says whether it worked. */
import { useEffect, useState } from 'react';
import { useWords } from '../i18n/language.ts';
import { Icon } from '../shell/icons.tsx';

/** Long enough to read one word. */
const CONFIRMATION_MS = 1500;

interface CopyButtonProperties {
  readonly text: () => string;
  readonly label: string;
}

export function CopyButton({ text, label }: CopyButtonProperties): React.JSX.Element {
  const words = useWords();
  const [outcome, setOutcome] = useState<'idle' | 'copied' | 'failed'>('idle');
  useEffect(() => {
    if (outcome === 'idle') return;
    const timer = window.setTimeout(() => setOutcome('idle'), CONFIRMATION_MS);
    return () => window.clearTimeout(timer);
  }, [outcome]);
  const copy = async (): Promise<void> => {
    try {
      // Only a secure page (https or this machine) has a clipboard.
      await navigator.clipboard.writeText(text());
      setOutcome('copied');
    } catch {
      setOutcome('failed');
    }
  };
  return (
    <button type="button" className="ghost labelled" onClick={() => void copy()}>
      <Icon name="copy" />
      <span aria-live="polite">
        {outcome === 'copied' ? words.copied : outcome === 'failed' ? words.copyFailed : label}
      </span>
    </button>
  );
}
