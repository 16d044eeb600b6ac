import { describe, expect, it } from 'vitest';
import { chinese } from './chinese.ts';
import { english } from './english.ts';
import { languageTag, preferredLanguage } from './language.ts';

/** Every phrase of a dictionary with its path; a phrase with parameters is called with recognizable ones. */
function phrases(node: object, path = ''): [string, string][] {
  return Object.entries(node).flatMap(([key, value]): [string, string][] => {
    const here = `${path}.${key}`;
    if (typeof value === 'string') return [[here, value]];
    if (typeof value === 'function') {
      const parameters = Array.from({ length: value.length }, (_, index) => `#${index}#`);
      return [[here, String(value(...parameters))]];
    }
    return typeof value === 'object' && value !== null ? phrases(value, here) : [];
  });
}

describe('languages', () => {
  it('follows the browser', () => {
    expect(preferredLanguage(['zh-CN', 'en'])).toBe('zh');
    expect(preferredLanguage(['fr', 'en-GB', 'zh'])).toBe('en');
    expect(preferredLanguage([])).toBe('en');
    expect(languageTag('zh')).toBe('zh-Hans');
  });

  it('loses no parameter in translation', () => {
    const translated = new Map(phrases(chinese));
    const parameters = (text: string): string[] =>
      [...text.matchAll(/#\d#/g)].map((match) => match[0]).sort();
    for (const [path, text] of phrases(english)) {
      expect(parameters(translated.get(path) ?? ''), path).toEqual(parameters(text));
    }
  });

  it('leaves no phrase out', () => {
    const empty = (node: object): string[] =>
      phrases(node)
        .filter(([, text]) => text === '')
        .map(([path]) => path);
    expect(empty(chinese)).toEqual(empty(english));
  });
});
