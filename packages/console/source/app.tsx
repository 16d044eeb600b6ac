/** The page's frame: language, theme, header, and the view that the address names. */
import { useEffect, useState } from 'react';
import { ExploreView } from './explore/explore-view.tsx';
import { FlowView } from './flow/flow-view.tsx';
import { useStatus } from './flow/use-status.ts';
import { chinese } from './i18n/chinese.ts';
import { english } from './i18n/english.ts';
import { DictionaryContext, type Language, languageTag, preferredLanguage } from './i18n/language.ts';
import { useKeys } from './keys/use-keys.ts';
import { Header } from './shell/header.tsx';
import { KeyHelp } from './shell/key-help.tsx';
import { readSetting, writeSetting } from './shell/settings.ts';
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
  const status = useStatus(view.view === 'flow' ? 'close' : 'background');
  const words = language === 'zh' ? chinese : english;

  useEffect(() => {
    document.documentElement.lang = languageTag(language);
  }, [language]);
  useEffect(() => {
    document.title = `${view.view === 'flow' ? words.flow : view.query || words.logs} · Sluice`;
  }, [view.view, view.query, words]);

  useKeys({
    '?': () => setHelpOpen((open) => !open),
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
        onHelp={() => setHelpOpen(true)}
      />
      <main id="content" tabIndex={-1}>
        {view.view === 'flow' ? (
          <FlowView status={status} agentId={view.agent} onAgent={(agent) => navigate({ agent })} />
        ) : (
          <ExploreView view={view} navigate={navigate} theme={theme.shown} />
        )}
      </main>
      {helpOpen && <KeyHelp onClose={() => setHelpOpen(false)} />}
    </DictionaryContext>
  );
}
