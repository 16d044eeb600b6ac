/** The page's frame: language, theme, header, and the view that the address names. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { readToken, writeToken } from './api/token.ts';
import { ExploreView } from './explore/explore-view.tsx';
import { FlowView } from './flow/flow-view.tsx';
import { useStatus } from './flow/use-status.ts';
import { chinese } from './i18n/chinese.ts';
import { english } from './i18n/english.ts';
import { DictionaryContext, type Language, languageTag, preferredLanguage } from './i18n/language.ts';
import { useKeys } from './keys/use-keys.ts';
import { Header } from './shell/header.tsx';
import { HealthList } from './shell/health.tsx';
import { KeyHelp } from './shell/key-help.tsx';
import { readSetting, writeSetting } from './shell/settings.ts';
import { SignIn } from './shell/sign-in.tsx';
import { useTheme } from './shell/use-theme.ts';
import { useViewState } from './url/use-view-state.ts';

function storedLanguage(): Language {
  const stored = readSetting('language');
  return stored === 'en' || stored === 'zh' ? stored : preferredLanguage(navigator.languages);
}

export function App(): React.JSX.Element {
  const [view, navigate] = useViewState();
  const [language, setLanguage] = useState(storedLanguage);
  const theme = useTheme();
  const [helpOpen, setHelpOpen] = useState(false);
  const [healthOpen, setHealthOpen] = useState(false);
  const status = useStatus(view.view === 'flow' ? 'close' : 'background');
  const words = language === 'zh' ? chinese : english;
  const queryClient = useQueryClient();
  const token = readToken();
  const isRefused = status.failure?.kind === 'unauthorized';
  const [mustSignIn, setMustSignIn] = useState(false);
  const showToken = (next: string | undefined): void => {
    writeToken(next);
    if (next === undefined) setMustSignIn(true);
    // Everything is asked anew, as whoever has the token now.
    void queryClient.resetQueries();
  };

  useEffect(() => {
    // Until a token is known to be taken the form stays.
    if (isRefused) setMustSignIn(true);
    else if (status.response !== undefined) setMustSignIn(false);
  }, [isRefused, status.response]);
  useEffect(() => {
    document.documentElement.lang = languageTag(language);
  }, [language]);
  useEffect(() => {
    document.title = `${view.view === 'flow' ? words.flow : view.query || words.logs} · Sluice`;
  }, [view.view, view.query, words]);

  useKeys({
    '?': () => setHelpOpen((open) => !open),
    h: () => setHealthOpen((open) => !open),
    1: () => navigate({ view: 'logs' }),
    2: () => navigate({ view: 'flow', record: '' }),
  });

  return (
    <DictionaryContext value={words}>
      <a className="skip-link" href="#content">
        {words.skipToContent}
      </a>
      <Header
        view={view}
        navigate={navigate}
        status={status}
        theme={theme}
        language={language}
        onLanguage={(next) => {
          writeSetting('language', next);
          setLanguage(next);
        }}
        healthOpen={healthOpen}
        onHealth={() => setHealthOpen(true)}
        onHelp={() => setHelpOpen(true)}
        onSignOut={token === undefined || mustSignIn ? undefined : () => showToken(undefined)}
      />
      <main id="content" tabIndex={-1}>
        {mustSignIn ? (
          <SignIn wasRefused={isRefused && token !== undefined} onToken={showToken} />
        ) : view.view === 'flow' ? (
          <FlowView status={status} agentId={view.agent} onAgent={(agent) => navigate({ agent })} />
        ) : (
          <ExploreView view={view} navigate={navigate} theme={theme.shown} />
        )}
      </main>
      {healthOpen && <HealthList status={status} onClose={() => setHealthOpen(false)} />}
      {helpOpen && <KeyHelp onClose={() => setHelpOpen(false)} />}
    </DictionaryContext>
  );
}
