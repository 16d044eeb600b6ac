import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { chinese } from './chinese.ts';
import { chineseProblems, inChinese } from './chinese-problems.ts';
import { inChineseReason } from './chinese-reasons.ts';
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

  it('has words for every problem that a server tells, with the same values', () => {
    const document = readFileSync(path.join(import.meta.dirname, '../../../../docs/problems.md'), 'utf8');
    const valuesOf = (text: string): string[] =>
      [...new Set([...text.matchAll(/\{(\w+)/g)].map((match) => match[1] ?? ''))].sort();
    const told = new Map(
      document.split(/^## /m).flatMap((section): [string, string][] => {
        const [code = '', ...lines] = section.split('\n');
        const sentences = lines.filter((line) => /^- (Says|Do): /.test(line));
        return sentences.length === 0 ? [] : [[code, sentences.join(' ')]];
      }),
    );
    expect(told.size).toBeGreaterThan(10);
    expect([...chineseProblems.keys()].sort()).toEqual([...told.keys()].sort());
    for (const [code, { summary, action }] of chineseProblems) {
      expect(valuesOf(`${summary} ${action}`), code).toEqual(valuesOf(told.get(code) ?? ''));
    }
  });

  it('says why things happen, and leaves what it does not know as it was said', () => {
    expect(inChineseReason('answers request 12')).toBe('答复请求 12');
    expect(inChineseReason('s1 did not answer in time')).toBe('s1 未及时应答');
    for (const foreign of ['', 'constructor', 'answers request <b>', 'a\nconnected'])
      expect(inChineseReason(foreign)).toBe(foreign);
  });

  it('fills in what the server says, and leaves what it does not know in the words of the server', () => {
    const english = { summary: 'Agent a: b.', action: 'See.', values: { subject: 'a', reason: 'b.' } };
    expect(inChinese({ ...english, code: 'agent_problem' }).summary).toBe('代理 a：b.');
    expect(inChinese({ ...english, code: 'constructor' }).summary).toBe('Agent a: b.');
    expect(inChinese({ ...english, code: 'agent_problem', values: {} }).summary).toBe(
      '代理 {subject}：{reason}',
    );
  });
});
