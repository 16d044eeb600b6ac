/** The bar at the top: name, views, health, language, theme, help. */
import { isLate } from '../flow/urgent-figure.tsx';
import type { StatusResult } from '../flow/use-status.ts';
import { formatDuration } from '../format/format.ts';
import { type Language, useWords } from '../i18n/language.ts';
import type { Navigate } from '../url/use-view-state.ts';
import { formatViewState, type ViewName, type ViewState } from '../url/view-state.ts';
import { HealthButton } from './health.tsx';
import { Icon, type IconName } from './icons.tsx';
import type { Theme } from './use-theme.ts';

interface HeaderProperties {
  readonly view: ViewState;
  readonly navigate: Navigate;
  readonly status: StatusResult;
  readonly theme: Theme;
  readonly language: Language;
  readonly onLanguage: (language: Language) => void;
  readonly healthOpen: boolean;
  readonly onHealth: () => void;
  readonly onHelp: () => void;
  /** Undefined when nobody has signed in. */
  readonly onSignOut: (() => void) | undefined;
}

export function Header(properties: HeaderProperties): React.JSX.Element {
  const { view, navigate, status, theme, language } = properties;
  const words = useWords();
  const themeName = words.themeName[theme.choice];
  return (
    <header className="header">
      <span className="brand">
        <Mark />
        <span>Sluice</span>
      </span>
      <nav className="views">
        <ViewLink name="logs" label={words.logs} view={view} navigate={navigate} />
        <ViewLink name="flow" label={words.flow} view={view} navigate={navigate} />
      </nav>
      <span className="spacer" />
      <UrgentLink view={view} navigate={navigate} status={status} />
      <HealthButton status={status} isOpen={properties.healthOpen} onOpen={properties.onHealth} />
      <button
        type="button"
        className="ghost language"
        lang={language === 'zh' ? 'en' : 'zh-Hans'}
        onClick={() => properties.onLanguage(language === 'zh' ? 'en' : 'zh')}
      >
        {language === 'zh' ? 'English' : '简体中文'}
      </button>
      <IconButton label={themeName} icon={theme.choice} onClick={theme.next} />
      <IconButton label={words.help} icon="help" onClick={properties.onHelp} />
      {properties.onSignOut !== undefined && (
        <IconButton label={words.signOut} icon="signOut" onClick={properties.onSignOut} />
      )}
    </header>
  );
}

type UrgentLinkProperties = Pick<HeaderProperties, 'view' | 'navigate' | 'status'>;

/** How old the oldest urgent record is that no server has acknowledged; leads to where it is shown in full. */
function UrgentLink({ view, navigate, status }: UrgentLinkProperties): React.JSX.Element | null {
  const words = useWords();
  const urgentLag = status.response?.urgentLag;
  // A server of before it was told, or none that answers.
  if (urgentLag === undefined || status.failure !== undefined) return null;
  return (
    <a
      className="urgent-link"
      data-late={isLate(urgentLag)}
      title={words.urgentLagTitle}
      href={formatViewState({ ...view, view: 'flow', record: '' })}
      onClick={(event) => follow(event, () => navigate({ view: 'flow', record: '' }))}
    >
      {words.urgentInHeader(formatDuration(urgentLag.oldestMs))}
    </a>
  );
}

interface IconButtonProperties {
  readonly label: string;
  readonly icon: IconName;
  readonly onClick: () => void;
}

function IconButton({ label, icon, onClick }: IconButtonProperties): React.JSX.Element {
  return (
    <button type="button" className="ghost" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

interface ViewLinkProperties {
  readonly name: ViewName;
  readonly label: string;
  readonly view: ViewState;
  readonly navigate: Navigate;
}

/** A real link, so that it opens in a new tab too. */
function ViewLink({ name, label, view, navigate }: ViewLinkProperties): React.JSX.Element {
  return (
    <a
      href={formatViewState({ ...view, view: name, record: '' }) || '/'}
      aria-current={view.view === name ? 'page' : undefined}
      onClick={(event) => follow(event, () => navigate({ view: name, record: '' }))}
    >
      {label}
    </a>
  );
}

/** Within the page; what asks for a new tab or window is the browser's. */
function follow(event: React.MouseEvent, go: () => void): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go();
}

function Mark(): React.JSX.Element {
  return (
    <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" className="mark">
      <rect width="32" height="32" rx="7" />
      <path d="M7 9h18" />
      <path d="M7 16h12" opacity=".78" />
      <path d="M7 23h6.5" opacity=".55" />
    </svg>
  );
}
