/** The address as React state: reading it, and going to another one with back and forward working. */
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { formatViewState, parseViewState, type ViewState } from './view-state.ts';

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

/** `replace` changes the address without a step in the history: for what a person would not want to step through. */
export type Navigate = (patch: Partial<ViewState>, options?: { readonly replace?: boolean }) => void;

/** The current view, and a function that changes parts of it. */
export function useViewState(): readonly [ViewState, Navigate] {
  const search = useSyncExternalStore(subscribe, () => window.location.search);
  const state = useMemo(() => parseViewState(search), [search]);
  const navigate = useCallback<Navigate>((patch, options) => {
    const next = formatViewState({ ...parseViewState(window.location.search), ...patch });
    if (next === window.location.search) return;
    const address = `${window.location.pathname}${next}`;
    if (options?.replace === true) window.history.replaceState(null, '', address);
    else window.history.pushState(null, '', address);
    for (const listener of listeners) listener();
  }, []);
  return [state, navigate];
}
