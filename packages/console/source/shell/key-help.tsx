/** The list of keys and a short guide to the search language. */
import { Fragment, useEffect, useRef } from 'react';
import { useWords } from '../i18n/language.ts';
import { Icon } from './icons.tsx';

export function KeyHelp({ onClose }: { readonly onClose: () => void }): React.JSX.Element {
  const words = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    // It goes when it is taken out of the page; closing it here would look like a person's wish.
    if (dialog.current?.open === false) dialog.current.showModal();
  }, []);
  const keys: readonly (readonly [readonly string[], string])[] = [
    [['/'], words.keys.focus],
    [['Enter'], words.keys.run],
    [['Esc'], words.keys.leave],
    [['j', '↓'], words.keys.next],
    [['k', '↑'], words.keys.previous],
    [['Enter'], words.keys.open],
    [['t'], words.keys.time],
    [['l'], words.keys.live],
    [['w'], words.keys.wrap],
    [['r'], words.keys.refresh],
    [['1', '2'], words.keys.views],
    [['h'], words.keys.health],
    [['?'], words.keys.help],
  ];
  const syntax: readonly (readonly [string, string])[] = [
    ['timeout gateway', words.syntax.word],
    ['"timed out"', words.syntax.phrase],
    ['severity:error service:api', words.syntax.field],
    ['-healthcheck', words.syntax.not],
    ['service:api OR service:web', words.syntax.or],
    ['status:>=500', words.syntax.compare],
    ['user:ali*', words.syntax.prefix],
  ];
  return (
    <dialog ref={dialog} className="help" aria-labelledby="help-title" onClose={onClose}>
      <div className="panel-head">
        <h2 id="help-title">{words.help}</h2>
        <button type="button" className="ghost" aria-label={words.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div className="help-columns">
        <section>
          <h3>{words.keysTitle}</h3>
          <dl className="help-keys">
            {keys.map(([names, text]) => (
              <Fragment key={`${names.join()} ${text}`}>
                <dt>
                  {names.map((name) => (
                    <kbd key={name}>{name}</kbd>
                  ))}
                </dt>
                <dd>{text}</dd>
              </Fragment>
            ))}
          </dl>
        </section>
        <section>
          <h3>{words.syntaxTitle}</h3>
          <dl className="help-syntax">
            {syntax.map(([example, text]) => (
              <Fragment key={example}>
                <dt>
                  <code>{example}</code>
                </dt>
                <dd>{text}</dd>
              </Fragment>
            ))}
          </dl>
        </section>
      </div>
    </dialog>
  );
}
