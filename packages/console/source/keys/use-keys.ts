/** Keys of the whole page: they work wherever nothing is being typed. */
import { useEffect, useRef } from 'react';

export type KeyHandlers = Readonly<Record<string, (event: KeyboardEvent) => void>>;

/** Calls the handler named by `event.key` while the component is shown. Never with Ctrl, Alt or Meta held. */
export function useKeys(handlers: KeyHandlers): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
      if (isTyping(event.target)) return;
      // An open dialog owns the keyboard.
      if (document.querySelector('dialog[open]') !== null) return;
      if (Object.hasOwn(latest.current, event.key)) latest.current[event.key]?.(event);
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  );
}
