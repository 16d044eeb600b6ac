/** The languages of the console, and which one to speak. */
import { createContext, useContext } from 'react';
import type { english } from './english.ts';

export type Dictionary = typeof english;
export type Language = 'en' | 'zh';

/** The language for a person whose browser prefers these tags, most wanted first. */
export function preferredLanguage(tags: readonly string[]): Language {
  for (const tag of tags) {
    if (/^zh\b/i.test(tag)) return 'zh';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

/** The tag for `<html lang>`, which chooses fonts and voices. */
export function languageTag(language: Language): string {
  return language === 'zh' ? 'zh-Hans' : 'en';
}

export const DictionaryContext = createContext<Dictionary | undefined>(undefined);

/** The words of the current language. Throws outside of the page's frame, which provides them. */
export function useWords(): Dictionary {
  const words = useContext(DictionaryContext);
  if (words === undefined) throw new Error('no dictionary: this component is used outside of the page frame');
  return words;
}
