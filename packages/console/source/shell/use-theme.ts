/** Light or dark: as the system says, unless a person chose. */
import { useCallback, useLayoutEffect, useState, useSyncExternalStore } from 'react';
import { readSetting, writeSetting } from './settings.ts';

const CHOICES = ['system', 'light', 'dark'] as const;
type ThemeChoice = (typeof CHOICES)[number];

export interface Theme {
  readonly choice: ThemeChoice;
  /** What is on the screen. */
  readonly shown: 'light' | 'dark';
  /** Goes to the next choice: system, light, dark. */
  readonly next: () => void;
}

const systemDark = window.matchMedia('(prefers-color-scheme: dark)');

function subscribe(listener: () => void): () => void {
  systemDark.addEventListener('change', listener);
  return () => systemDark.removeEventListener('change', listener);
}

export function useTheme(): Theme {
  const [choice, setChoice] = useState<ThemeChoice>(
    () => CHOICES.find((known) => known === readSetting('theme')) ?? 'system',
  );
  const dark = useSyncExternalStore(subscribe, () => systemDark.matches);
  const shown = choice === 'system' ? (dark ? 'dark' : 'light') : choice;
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = shown;
  }, [shown]);
  const next = useCallback(() => {
    setChoice((current) => {
      const following = CHOICES[(CHOICES.indexOf(current) + 1) % CHOICES.length] ?? 'system';
      writeSetting('theme', following);
      return following;
    });
  }, []);
  return { choice, shown, next };
}
