/** What a person chose on this browser. Storage may be forbidden; then choices last as long as the page. */

type Setting = 'language' | 'theme' | 'wrap';

const remembered = new Map<Setting, string>();

export function readSetting(name: Setting): string | undefined {
  try {
    return window.localStorage.getItem(`sluice.${name}`) ?? remembered.get(name);
  } catch {
    return remembered.get(name);
  }
}

export function writeSetting(name: Setting, value: string): void {
  remembered.set(name, value);
  try {
    window.localStorage.setItem(`sluice.${name}`, value);
  } catch {
    // Forbidden or full: the value above serves this page.
    return;
  }
}
