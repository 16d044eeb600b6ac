/** Asks for the token that the server wants, in place of the views. */
import { useState } from 'react';
import { useWords } from '../i18n/language.ts';

interface SignInProperties {
  /** A token was shown, and the server did not take it. */
  readonly wasRefused: boolean;
  readonly onToken: (token: string) => void;
}

export function SignIn({ wasRefused, onToken }: SignInProperties): React.JSX.Element {
  const words = useWords().signIn;
  const [token, setToken] = useState('');
  return (
    <form
      className="notice-box sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        if (token !== '') onToken(token);
      }}
    >
      <h2>{words.title}</h2>
      <p>{words.hint}</p>
      <label>
        {words.token}
        <input
          type="password"
          autoComplete="current-password"
          value={token}
          onChange={(event) => setToken(event.target.value.trim())}
          aria-invalid={wasRefused}
          aria-describedby={wasRefused ? 'sign-in-refused' : undefined}
        />
      </label>
      {wasRefused && (
        <p id="sign-in-refused" className="sign-in-refused" role="alert">
          {words.refused}
        </p>
      )}
      <button type="submit" className="primary" disabled={token === ''}>
        {words.submit}
      </button>
    </form>
  );
}
