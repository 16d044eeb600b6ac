/** Runs a search again and again while it is wanted and the page is visible. */
import { useEffect } from 'react';

/** Quick enough to feel live; slow enough that a search that takes a second still leaves the server half idle. */
const LIVE_INTERVAL_MS = 2000;

export function useLive(active: boolean, runAgain: () => void): void {
  useEffect(() => {
    if (!active) return;
    const timer = window.setInterval(() => {
      if (document.visibilityState === 'visible') runAgain();
    }, LIVE_INTERVAL_MS);
    return () => window.clearInterval(timer);
  }, [active, runAgain]);
}
